import { MAX_ATTEMPTS } from '../../shared/limits.ts';
import type { FleetView } from '../../shared/scaling.ts';
import type { Trace } from './fleet-traces.ts';
import { createRandom } from './random.ts';

/** Asked once a minute for the number of workers to have; `workers` is its last answer, less the killed ones. */
export type Autoscaler = (view: FleetView & { waiting: number; inFlight: number; workers: number }) => number;

interface Fleet {
  secondsPerJob: number;
  coldStartSeconds: number;
  seed: number;
}

export interface FleetReport {
  photos: number;
  /** From submit to the start of the attempt that ended the job, seconds. */
  waits: number[];
  unfinished: number;
  /** Attempts cut off by a kill, which ran again. */
  repeated: number;
  workerHours: number;
  /** Workers that were started. */
  starts: number;
  /** Turns from growing to shrinking and back. */
  turns: number;
  /** Workers at the end, long after the last photo. */
  left: number;
}

interface Photo {
  at: number;
  isPoison: boolean;
  attempts: number;
}

interface Worker {
  readyAt: number;
  photo?: Photo | undefined;
  busyUntil: number;
  startedPhotoAt: number;
}

/** The scaler runs every minute. */
const TICK_SECONDS = 60;
/** Time after the last arrival in which the fleet should end its work and go home. */
const AFTERMATH_SECONDS = 3600;

/**
 * Second by second: photos come, workers start, take one photo at a time, are killed. A killed worker gives its photo
 * back (the notice of two minutes is used); a poison photo brings its worker down without a word and is given up after
 * MAX_ATTEMPTS. A busy worker is never let go (task protection).
 */
export function simulateFleet(trace: Trace, fleet: Fleet, autoscaler: Autoscaler): FleetReport {
  const random = createRandom(fleet.seed);
  const queue: Photo[] = [];
  let workers: Worker[] = [];
  let direction = 0;
  let next = 0;
  const report: FleetReport = {
    photos: trace.arrivals.length,
    waits: [],
    unfinished: 0,
    repeated: 0,
    workerHours: 0,
    starts: 0,
    turns: 0,
    left: 0,
  };

  function scale(at: number): void {
    const ready = workers.filter(({ readyAt }) => readyAt <= at).length;
    const inFlight = workers.filter(({ photo }) => photo).length;
    const photos = queue.length + inFlight;
    const view = { at, photos, worth: photos, ready, submitted: next };
    const wanted = autoscaler({ ...view, waiting: queue.length, inFlight, workers: workers.length });
    const change = Math.sign(wanted - workers.length);
    if (change !== 0 && direction !== 0 && change !== direction) report.turns++;
    if (change !== 0) direction = change;
    for (let count = workers.length; count < wanted; count++) {
      report.starts++;
      workers.push({ readyAt: at + fleet.coldStartSeconds * (0.8 + 0.4 * random()), busyUntil: 0, startedPhotoAt: 0 });
    }
    let surplus = workers.length - wanted;
    // Those that are not up yet go first.
    const youngestFirst = workers.toSorted((a, b) => b.readyAt - a.readyAt);
    workers = youngestFirst.filter(({ photo }) => photo || surplus-- <= 0);
  }

  function finish(worker: Worker, photo: Photo): void {
    worker.photo = undefined;
    if (!photo.isPoison) report.waits.push(worker.startedPhotoAt - photo.at);
    else if (++photo.attempts < MAX_ATTEMPTS) queue.push(photo);
  }

  for (let at = 0; at < trace.seconds + AFTERMATH_SECONDS; at++) {
    for (; (trace.arrivals[next]?.at ?? Infinity) <= at; next++) queue.push({ ...trace.arrivals[next]!, attempts: 0 });
    if (at % TICK_SECONDS === 0) scale(at);
    workers = workers.filter(({ photo }) => {
      if (random() >= trace.killsPerHour / 3600) return true;
      if (photo) {
        report.repeated++;
        queue.unshift(photo);
      }
      return false;
    });
    for (const worker of workers) {
      if (worker.photo && worker.busyUntil <= at) finish(worker, worker.photo);
      if (worker.photo || worker.readyAt > at) continue;
      worker.photo = queue.shift();
      worker.startedPhotoAt = at;
      worker.busyUntil = at + fleet.secondsPerJob * (0.8 + 0.4 * random());
    }
    report.workerHours += workers.length / 3600;
  }
  report.unfinished = queue.length + workers.filter(({ photo }) => photo).length;
  report.left = workers.length;
  return report;
}

/** Nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
