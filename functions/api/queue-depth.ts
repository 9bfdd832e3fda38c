import type { Job } from '../../shared/job.ts';
import type { Dependencies } from './dependencies.ts';

/** How many messages wait, roughly, for a job that is among them. An estimate that cannot be had is left out. */
export async function waitingMessages({ queue, log }: Dependencies, job: Job): Promise<number | undefined> {
  if (job.status !== 'queued') return undefined;
  try {
    return (await queue.depth()).visible;
  } catch (error) {
    log.warn('queue-depth-unknown', { error });
    return undefined;
  }
}
