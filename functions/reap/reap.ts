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

/** How many of each kind. */
export interface SweepReport {
  /** Uploads had arrived without anybody noticing. */
  admitted: number;
  /** Uploads never came. */
  expired: number;
  /** Deadlines passed. */
  ended: number;
  /** Messages were sent again: never sent, or their worker was lost. */
  sent: number;
  /** Given up: their message was delivered too often. */
  failed: number;
  /** Jobs whose results were erased, for their time was over. */
  results: number;
  /** Deleted jobs of which something was left. */
  deleted: number;
  /** Inputs that no job needs. */
  uploads: number;
  /** What could not be done; the log says why, and the next sweep tries again. */
  errors: number;
}

type Done = Exclude<keyof SweepReport, 'errors'> | undefined;

/** One sweep over everything that is overdue, run about once a minute. It can stop anywhere and be repeated. */
export async function reap(deps: ReapDependencies): Promise<SweepReport> {
  const { state, log } = deps;
  const report: SweepReport = {
    admitted: 0,
    expired: 0,
    ended: 0,
    sent: 0,
    failed: 0,
    results: 0,
    deleted: 0,
    uploads: 0,
    errors: 0,
  };
  /** One bad job must not stop the sweep. */
  const count = async (subject: Record<string, string>, work: () => Promise<Done>) => {
    try {
      const done = await work();
      if (done) report[done]++;
    } catch (error) {
      report.errors++;
      log.error('reap-failed', { ...subject, error });
    }
  };
  for (const job of await state.listDueJobs(BATCH)) await count({ job_id: job.id }, () => reapJob(deps, job));
  for (const upload of await state.listStaleUploads(BATCH)) {
    await count({ upload_id: upload.id }, async () => {
      await deps.objects.delete(upload.key);
      await state.deleteUpload(upload.id);
      return 'uploads';
    });
  }
  // Last: a message that is none of ours ends the sweep with an error.
  for (let i = 0; i < BATCH; i++) {
    const message = await deps.deadLetters.receive({ visibilitySeconds: VISIBILITY_SECONDS, waitSeconds: 0 });
    if (!message) break;
    await count({ job_id: message.jobId }, () => buryDeadLetter(deps, message));
  }
  return report;
}

async function reapJob(deps: ReapDependencies, job: Job): Promise<Done> {
  const { state, objects } = deps;
  if (job.deleted_at) {
    await eraseDeletedJob(deps, job);
    return 'deleted';
  }
  if (job.cancel_at && (await state.updateJob(job.id, { type: 'deadline' })).version !== job.version) return 'ended';
  switch (job.status) {
    case 'awaiting_upload':
      return reapAwaiting(deps, job);
    case 'queued': // Stored, but never sent.
    case 'starting': // A lease that is long over, and nobody took the job: the message may be lost.
    case 'running':
      await enqueue(deps, job);
      return 'sent';
    default:
      await eraseOutputs(objects, job);
      await state.updateJob(job.id, { type: 'purge' });
      return 'results';
  }
}

async function reapAwaiting(deps: ReapDependencies, job: Job): Promise<Done> {
  const upload = await deps.state.getUpload(job.upload_id);
  if (upload && (await uploadArrived(deps, upload))) {
    // Where the state cannot be written it still awaits it, and the log says why.
    return (await deps.state.getJob(job.id))?.status === 'awaiting_upload' ? undefined : 'admitted';
  }
  await deps.state.updateJob(job.id, { type: 'expire' });
  return 'expired';
}

/** A message that was delivered too often: its job kills every worker that takes it. */
async function buryDeadLetter({ state, objects, deadLetters }: ReapDependencies, message: QueueMessage): Promise<Done> {
  let done: Done;
  const error = new AppError('worker-lost', 'Every worker that took the job was lost while it ran; it is given up.');
  try {
    const failed = await state.updateJob(message.jobId, { type: 'fail', error });
    await eraseOutputs(objects, failed);
    done = 'failed';
  } catch (failure) {
    const code = failure instanceof AppError ? failure.code : undefined;
    if (code === 'lease-held') return undefined; // The message comes back, and the attempt may still succeed.
    if (code !== 'already-finished' && code !== 'gone' && code !== 'not-found') throw failure;
  }
  await deadLetters.delete(message.receipt);
  return done;
}
