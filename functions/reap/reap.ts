import { enqueue, uploadArrived } from '../../shared/admission.ts';
import { eraseDeletedJob, eraseOutputs } from '../../shared/erasure.ts';
import { AppError } from '../../shared/error.ts';
import type { Job } from '../../shared/job.ts';
import { type Limits, VISIBILITY_SECONDS } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { JobQueue, ObjectStore, QueueMessage, StateStore } from '../../shared/ports.ts';
import type { PriceList } from '../../shared/pricing.ts';

/** Of each kind in one sweep; what is left waits for the next. */
const BATCH = 500;

interface ReapDependencies {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  deadLetters: JobQueue;
  limits: Limits;
  prices: PriceList;
  log: Log;
}

/** One sweep over everything that is overdue, run about once a minute. It can stop anywhere and be repeated. */
export async function reap(deps: ReapDependencies): Promise<void> {
  const { state, log } = deps;
  for (const job of await state.listDueJobs(BATCH)) {
    await orLog(log, { job_id: job.id }, () => reapJob(deps, job));
  }
  for (let i = 0; i < BATCH; i++) {
    const message = await deps.deadLetters.receive({ visibilitySeconds: VISIBILITY_SECONDS, waitSeconds: 0 });
    if (!message) break;
    await orLog(log, { job_id: message.jobId }, () => buryDeadLetter(deps, message));
  }
  for (const upload of await state.listStaleUploads(BATCH)) {
    await orLog(log, { upload_id: upload.id }, async () => {
      await deps.objects.delete(upload.key);
      await state.deleteUpload(upload.id);
    });
  }
}

/** One bad job must not stop the sweep. */
async function orLog(log: Log, subject: Record<string, string>, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.error('reap-failed', { ...subject, error });
  }
}

async function reapJob(deps: ReapDependencies, job: Job): Promise<void> {
  const { state, objects } = deps;
  if (job.deleted_at) return eraseDeletedJob(deps, job);
  if (job.cancel_at && (await state.updateJob(job.id, { type: 'deadline' })).version !== job.version) return;
  switch (job.status) {
    case 'awaiting_upload':
      return reapAwaiting(deps, job);
    case 'queued': // Stored, but never sent.
    case 'starting': // A lease that is long over, and nobody took the job: the message may be lost.
    case 'running':
      return enqueue(deps, job);
    default:
      await eraseOutputs(objects, job);
      await state.updateJob(job.id, { type: 'purge' });
  }
}

async function reapAwaiting(deps: ReapDependencies, job: Job): Promise<void> {
  const upload = await deps.state.getUpload(job.upload_id);
  const arrived = upload !== null && (await uploadArrived(deps, upload));
  if (!arrived) await deps.state.updateJob(job.id, { type: 'expire' });
}

/** A message that was delivered too often: its job kills every worker that takes it. */
async function buryDeadLetter({ state, objects, deadLetters }: ReapDependencies, message: QueueMessage): Promise<void> {
  const error = new AppError('worker-lost', 'Every worker that took the job was lost while it ran; it is given up.');
  try {
    const failed = await state.updateJob(message.jobId, { type: 'fail', error });
    await eraseOutputs(objects, failed);
  } catch (failure) {
    const code = failure instanceof AppError ? failure.code : undefined;
    if (code === 'lease-held') return; // The message comes back, and the attempt may still succeed.
    if (code !== 'already-finished' && code !== 'gone' && code !== 'not-found') throw failure;
  }
  await deadLetters.delete(message.receipt);
}
