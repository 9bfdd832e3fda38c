import type { AdmissionDependencies } from '../../shared/admission.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { createFileWatch } from '../../shared/notice-file.ts';
import { createPlaces, holdersOf } from '../../shared/places.ts';
import type { Dependencies } from './dependencies.ts';

const FIRST_PAUSE = 20; // milliseconds
const LONGEST_PAUSE = 500;
/** So the answer is late by at most about a thirtieth of the job's time. */
const GROWTH = 1.03;
/** Requests that wait in one process: each looks at its job again and again. */
const MAX_WAITS = 1000;

/** `job` as last seen; `waited`: whether there was a place to wait in. */
type WaitDependencies = AdmissionDependencies & Pick<Dependencies, 'stopping'>;

export type WaitForEnd = (job: Job, seconds: number, client: AbortSignal) => Promise<{ job: Job; waited: boolean }>;

/**
 * Looks at a job again and again until it has ended, `seconds` are over, the client has gone or the service stops. It
 * only looks: the job goes on without it. A caller with too many waits is answered at once: waiting is a preference
 * (RFC 7240).
 */
export function createWaitForEnd(deps: WaitDependencies, total = MAX_WAITS): WaitForEnd {
  const places = createPlaces({ policy: 'waits', total });
  return async (job, seconds, client) => {
    const release = places.tryTake(holdersOf(job));
    if (!release) return { job, waited: false };
    try {
      const leaving = deps.stopping ? AbortSignal.any([client, deps.stopping]) : client;
      return { job: await look(deps, job, seconds, leaving), waited: true };
    } finally {
      release();
    }
  };
}

async function look(deps: AdmissionDependencies, job: Job, seconds: number, leaving: AbortSignal): Promise<Job> {
  const watchFile = createFileWatch(deps);
  const deadline = performance.now() + seconds * 1000;
  let seen = job;
  for (
    let pause = FIRST_PAUSE;
    !isTerminal(seen) && !leaving.aborted;
    pause = Math.min(LONGEST_PAUSE, pause * GROWTH)
  ) {
    const left = deadline - performance.now();
    if (left <= 0) break;
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, left)));
    seen = await watchFile((await deps.state.getJob(job.id)) ?? seen);
  }
  return seen;
}
