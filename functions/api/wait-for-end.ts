import { isTerminal, type Job } from '../../shared/job.ts';
import type { StateStore } from '../../shared/ports.ts';

const FIRST_PAUSE = 20; // milliseconds
const LONGEST_PAUSE = 500;
/** So the answer is late by at most about a thirtieth of what the job took. */
const GROWTH = 1.03;

/**
 * Looks at the job again and again until it has ended, `seconds` are over or the client has gone. It only looks: the
 * job goes on without it. Returns the job as last seen.
 */
export async function waitForEnd(state: StateStore, job: Job, seconds: number, client: AbortSignal): Promise<Job> {
  const deadline = performance.now() + seconds * 1000;
  let seen = job;
  for (let pause = FIRST_PAUSE; !isTerminal(seen) && !client.aborted; pause = Math.min(LONGEST_PAUSE, pause * GROWTH)) {
    const left = deadline - performance.now();
    if (left <= 0) break;
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, left)));
    seen = (await state.getJob(job.id)) ?? seen;
  }
  return seen;
}
