import type { Parameters } from './job.ts';
import { type AnyMethodId, methodOf } from './methods/registry.ts';
import { workedSize } from './preview.ts';
import { planWork } from './pricing.ts';

/** How long work takes here: learned from the jobs that have ended, to tell others when theirs will. */

/** Of one method. The sums forget: a job counts for a tenth less with each that comes after it. */
export interface Pace {
  jobs: number;
  /** From the claim to the end, without loading the model. */
  seconds: number;
  /** As `workOf` counts it. */
  work: number;
  /** Duration of the last load of a model. */
  load_seconds?: number;
  /** When the last of these jobs ended. */
  at: string;
}

/** By the method: models that were added share theirs, by their shares of its work. */
export type Paces = Partial<Record<AnyMethodId, Pace>>;

export interface PaceSample {
  seconds: number;
  work: number;
  /** Where the model had to be loaded. */
  loadSeconds?: number | undefined;
}

const KEPT = 0.9;

/** Pure. `now`: milliseconds since 1970. */
export function withSample(pace: Pace | undefined, { seconds, work, loadSeconds }: PaceSample, now: number): Pace {
  const { jobs = 0, seconds: earlierSeconds = 0, work: earlierWork = 0 } = pace ?? {};
  const load_seconds = loadSeconds ?? pace?.load_seconds;
  return {
    jobs: KEPT * jobs + 1,
    seconds: KEPT * earlierSeconds + seconds,
    work: KEPT * earlierWork + work,
    ...(load_seconds !== undefined && { load_seconds }),
    at: new Date(now).toISOString(),
  };
}

/** In the unit of the method's pace; 0 where no network runs. `photo`: its size, upright. */
export function workOf(photo: { width: number; height: number }, parameters: Parameters): number {
  const size = workedSize(photo, parameters.preview);
  const { calls } = planWork(size, parameters);
  const { pace, workShare } = methodOf(parameters);
  if (pace.per === 'network_call' || calls === 0) return calls;
  return (workShare * size.width * size.height) / 1e6;
}
