import type { Log } from '../../shared/log.ts';
import type { JobQueue, StateStore } from '../../shared/ports.ts';
import { type ScalingPolicy, type ScalingSample, scaleFleet } from '../../shared/scaling.ts';
import { type Kind, secondsOf, type WorkCounts } from '../../shared/work-counts.ts';

/** The workers' container service. */
export interface Fleet {
  /** `wanted`: asked for; `ready`: running. */
  get(): Promise<{ wanted: number; ready: number }>;
  set(wanted: number): Promise<void>;
}

/** The samples of one run for the next: demand is kept as work, as jobs may be found to take longer. */
export interface ScalerMemory {
  read(): Promise<Seen[]>;
  write(seen: readonly Seen[]): Promise<void>;
}

export type Seen = Omit<ScalingSample, 'submitted'> & { work: WorkCounts };

interface ScaleDependencies {
  queue: Pick<JobQueue, 'depth'>;
  state: Pick<StateStore, 'getTotals' | 'getPaces'>;
  fleet: Fleet;
  memory: ScalerMemory;
  policy: ScalingPolicy;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** One look at queue, work and fleet, about once a minute. Returns its view and its decision. */
export async function scale({ queue, state, fleet, memory, policy, log, now }: ScaleDependencies) {
  const [{ visible, inFlight }, { jobs, work }, paces, { wanted, ready }, seen] = await Promise.all([
    queue.depth(),
    state.getTotals(),
    state.getPaces(),
    fleet.get(),
    memory.read(),
  ]);
  /** In photos that take `secondsPerJob`. */
  const worth = (counts: WorkCounts, kinds: readonly Kind[]) => {
    const seconds = kinds.flatMap((kind) => secondsOf(counts, kind, paces, policy.secondsPerJob));
    return seconds.reduce((sum, some) => sum + some, 0) / policy.secondsPerJob;
  };
  const asked = (counts: WorkCounts) => worth(counts, ['open', 'done']);

  // A message may be of a job that has ended, or come twice; and a job whose message was lost waits for the reaper.
  const messages = visible + inFlight;
  const unfinished = jobs.queued + jobs.starting + jobs.running;
  const photos = Math.min(messages, unfinished);
  const view = {
    at: Math.floor(now() / 1000),
    photos,
    worth: photos === 0 ? 0 : worth(work, ['open']) * (photos / unfinished),
    ready,
    submitted: asked(work),
  };
  const samples = seen.map(({ at, needed, work: then }) => ({ at, needed, submitted: asked(then) }));
  const decision = scaleFleet(policy, view, samples);
  const workAt = new Map([...seen, { at: view.at, work }].map(({ at, work: then }) => [at, then]));
  // First the memory: a fleet that grew and was forgotten would shrink in the next minute.
  await memory.write(decision.samples.map(({ at, needed }) => ({ at, needed, work: workAt.get(at) ?? {} })));
  if (decision.workers !== wanted) await fleet.set(decision.workers);
  const saw = { waiting: Math.min(visible, photos), messages, unfinished, ready, workers: decision.workers };
  log.info('scale.decided', { ...saw, seconds: Math.round(view.worth * policy.secondsPerJob), before: wanted });
  return saw;
}
