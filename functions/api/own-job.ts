import { AppError } from '../../shared/error.ts';
import type { Job } from '../../shared/job.ts';
import { type Caller, owns } from '../../shared/keys.ts';
import type { StateStore } from '../../shared/ports.ts';

/** A job of the caller. Throws `not-found`, also for jobs of others, and `gone` when it was deleted. */
export async function getOwnJob(state: StateStore, caller: Caller, id: string): Promise<Job> {
  const job = await state.getJob(id);
  if (!job || !owns(caller, job)) throw new AppError('not-found', `There is no job ${id}.`);
  if (job.deleted_at) throw new AppError('gone', `Job ${id} was deleted at ${job.deleted_at}.`);
  return job;
}
