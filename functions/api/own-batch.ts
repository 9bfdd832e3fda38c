import type { Batch } from '../../shared/batch.ts';
import { AppError } from '../../shared/error.ts';
import type { Job } from '../../shared/job.ts';
import { type Caller, owns } from '../../shared/keys.ts';
import type { StateStore } from '../../shared/ports.ts';

/** As many as a batch may have. */
const MAX_JOBS = 100;

/** A batch of the caller. Throws `not-found`, also for batches of others. */
export async function getOwnBatch(state: StateStore, caller: Caller, id: string): Promise<Batch> {
  const batch = await state.getBatch(id);
  if (batch && owns(caller, batch)) return batch;
  throw new AppError('not-found', `There is no batch ${id}.`);
}

/** In the order in which they were given, without deleted ones. */
export async function jobsOfBatch(state: StateStore, { id, account }: Batch): Promise<Job[]> {
  const { jobs } = await state.listJobs({ account, batch_id: id, limit: MAX_JOBS });
  return jobs.toSorted((a, b) => (a.batch_index ?? 0) - (b.batch_index ?? 0));
}
