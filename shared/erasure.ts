import type { Job } from './job.ts';
import type { ObjectStore, StateStore } from './ports.ts';

interface ErasureDependencies {
  state: StateStore;
  objects: ObjectStore;
}

/** Erases what is left of a deleted job: its output, and its input unless another job has it too. Repeatable. */
export async function eraseDeletedJob({ state, objects }: ErasureDependencies, job: Job): Promise<void> {
  if (job.output) await objects.delete(job.output.key);
  const others = await state.listJobs({ account: job.account, upload_id: job.upload_id, limit: 1 });
  if (others.jobs.length === 0) {
    await objects.delete(job.input_key);
    await state.deleteUpload(job.upload_id);
  }
  // Last, so that a crash before it leaves the job due for the reaper.
  await state.updateJob(job.id, { type: 'purge' });
}
