import { AppError } from '../../shared/error.ts';
import type { Job } from '../../shared/job.ts';
import type { StateStore } from '../../shared/ports.ts';

/** A job of this account. Throws `not-found`, also for jobs of others, and `gone` when it was deleted. */
export async function getOwnJob(state: StateStore, account: string, id: string): Promise<Job> {
  const job = await state.getJob(id);
  if (job?.account !== account) throw new AppError('not-found', `There is no job ${id}.`);
  if (job.deleted_at) throw new AppError('gone', `Job ${id} was deleted at ${job.deleted_at}.`);
  return job;
}
