import {
  CHECKPOINT_SLOTS,
  checkpointKey,
  heatmapKey,
  type Job,
  LIVE_PREVIEW_SLOTS,
  livePreviewKey,
  outputKey,
  screenCopiesOf,
  screenCopyKey,
} from './job.ts';
import { methodOf } from './methods/registry.ts';
import type { ObjectStore, StateStore } from './ports.ts';

interface ErasureDependencies {
  state: StateStore;
  objects: ObjectStore;
}

/**
 * Erases the outputs of the attempts of a job, of a killed one too; not the output `kept`, and not the savepoint from
 * which the job can go on. Repeatable.
 */
export async function eraseOutputs(objects: ObjectStore, job: Job, kept?: string): Promise<void> {
  for (let attempt = 1; attempt <= job.attempt; attempt++) {
    if (job.live_previews) await eraseLivePreviews(objects, job, attempt);
    if (methodOf(job.parameters).isResumable) await eraseCheckpoints(objects, job, attempt);
    const key = outputKey(job, attempt);
    if (key === kept) continue;
    await objects.delete(key);
    await objects.delete(heatmapKey(job, attempt));
    for (const name of screenCopiesOf(job)) await objects.delete(screenCopyKey(job, attempt, name));
  }
}

export async function eraseLivePreviews(objects: ObjectStore, job: Job, attempt: number): Promise<void> {
  for (let slot = 0; slot < LIVE_PREVIEW_SLOTS; slot++) await objects.delete(livePreviewKey(job, attempt, slot));
}

async function eraseCheckpoints(objects: ObjectStore, job: Job, attempt: number): Promise<void> {
  for (let slot = 0; slot < CHECKPOINT_SLOTS; slot++) {
    const key = checkpointKey(job, attempt, slot);
    if (key !== job.checkpoint?.key) await objects.delete(key);
  }
}

/** Erases the rest of a deleted job: its outputs, and its input unless another job has it too. Repeatable. */
export async function eraseDeletedJob({ state, objects }: ErasureDependencies, job: Job): Promise<void> {
  await eraseOutputs(objects, job);
  const others = await state.listJobs({ account: job.account, upload_id: job.upload_id, limit: 1 });
  if (others.jobs.length === 0) {
    await objects.delete(job.input_key);
    await state.deleteUpload(job.upload_id);
  }
  // Last, so that a crash before it leaves the job due for the reaper.
  await state.updateJob(job.id, { type: 'purge' });
}
