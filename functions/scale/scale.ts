import type { Log } from '../../shared/log.ts';
import type { JobQueue, StateStore } from '../../shared/ports.ts';
import { type ScalingPolicy, type ScalingSample, scaleFleet } from '../../shared/scaling.ts';

/** The workers' container service. */
export interface Fleet {
  /** `wanted`: asked for; `ready`: running. */
  get(): Promise<{ wanted: number; ready: number }>;
  set(wanted: number): Promise<void>;
}

/** What one run leaves for the next. */
export interface ScalerMemory {
  read(): Promise<ScalingSample[]>;
  write(samples: readonly ScalingSample[]): Promise<void>;
}

interface ScaleDependencies {
  queue: Pick<JobQueue, 'depth'>;
  state: Pick<StateStore, 'getTotals'>;
  fleet: Fleet;
  memory: ScalerMemory;
  policy: ScalingPolicy;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** One look at queue and fleet, about once a minute. Returns what it saw and asked for. */
export async function scale({ queue, state, fleet, memory, policy, log, now }: ScaleDependencies) {
  const [{ visible, inFlight }, { jobs }, { wanted, ready }, samples] = await Promise.all([
    queue.depth(),
    state.getTotals(),
    fleet.get(),
    memory.read(),
  ]);
  const submitted = Object.values(jobs).reduce((sum, count) => sum + count, 0);
  const view = { at: Math.floor(now() / 1000), waiting: visible, inFlight, ready, submitted };
  const decision = scaleFleet(policy, view, samples);
  // First the memory: a fleet that grew and was forgotten would shrink in the next minute.
  await memory.write(decision.samples);
  if (decision.workers !== wanted) await fleet.set(decision.workers);
  const seen = { waiting: visible, in_flight: inFlight, ready, workers: decision.workers };
  log.info('scale.decided', { ...seen, before: wanted });
  return seen;
}
