import { enqueue, uploadArrived } from '../../shared/admission.ts';
import { eraseDeletedJob, eraseOutputs } from '../../shared/erasure.ts';
import { AppError } from '../../shared/error.ts';
import { isTerminal, type Job } from '../../shared/job.ts';
import { type Limits, VISIBILITY_SECONDS } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { JobQueue, ObjectStore, QueueMessage, StateStore, Upload } from '../../shared/ports.ts';
import type { PriceList } from '../../shared/pricing.ts';
import { isStoreError } from '../../shared/store-error.ts';

/** Asked for at once. */
const PAGE = 500;
/** At the same time: each waits for the stores most of its time. */
const LANES = 32;
/** Dead letters that are none of ours, one after the other; then it is the queue that is wrong. */
const MAX_FOREIGN = 10;

interface ReapDependencies {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  deadLetters: JobQueue;
  limits: Limits;
  prices: PriceList;
  log: Log;
  /** Milliseconds since 1970. Default: by the clock of the machine. */
  now?: () => number;
  /** Whether the clock can be believed where it says that a time is over. Default: always. */
  mayErase?: () => boolean;
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
  /** Failures; the log says why, and the next sweep tries again. */
  errors: number;
}

type Done = Exclude<keyof SweepReport, 'errors'> | undefined;

/**
 * One sweep over everything that is overdue, run about once a minute: work that somebody waits for comes first. It goes
 * on until nothing is left or `stop` is aborted; it can stop anywhere and be repeated. Throws the first error of a
 * store or queue at the end, when everything else was tried.
 */
export async function reap(deps: ReapDependencies, stop = new AbortController().signal): Promise<SweepReport> {
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
  let failure: unknown;
  /** Nor must a store that does not answer stop work that needs others. */
  const sweep = async <One>(source: AsyncGenerator<One>, work: (one: One) => Promise<void>) => {
    await inLanes(source, stop, work).catch((error: unknown) => {
      failure ??= error;
      log.error('reap.cut-short', { error });
    });
  };
  await sweep(messagesIn(deps, stop), (message) =>
    count({ job_id: message.jobId }, () => buryDeadLetter(deps, message)),
  );
  await sweep(
    pagesOf((after?: Job) => state.listDueJobs(PAGE, after)),
    (job) => count({ job_id: job.id }, () => reapJob(deps, job)),
  );
  await sweep(
    pagesOf((after?: Upload) => state.listStaleUploads(PAGE, after)),
    (upload) => count({ upload_id: upload.id }, () => eraseUpload(deps, upload)),
  );
  if (mayErase(deps)) {
    await state.clearOld(PAGE).catch((error: unknown) => {
      failure ??= error;
      log.error('reap.cut-short', { error });
    });
  }
  if (failure !== undefined) throw failure;
  return report;
}

async function inLanes<One>(source: AsyncGenerator<One>, stop: AbortSignal, work: (one: One) => Promise<void>) {
  const lane = async () => {
    while (!stop.aborted) {
      const { done, value } = await source.next();
      if (done) return;
      await work(value);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: LANES }, lane));
  const failed = ends.find(({ status }) => status === 'rejected');
  if (failed) throw (failed as PromiseRejectedResult).reason;
}

/** One after the other, through changes of those that were listed. */
async function* pagesOf<One>(list: (after?: One) => Promise<One[]>): AsyncGenerator<One> {
  for (let page = await list(); page.length > 0; page = await list(page.at(-1))) yield* page;
}

/** A message that is none of ours is passed over: it is hidden now, and stays for somebody to look at. */
async function* messagesIn({ deadLetters, log }: ReapDependencies, stop: AbortSignal): AsyncGenerator<QueueMessage> {
  for (let foreign = 0; !stop.aborted; ) {
    try {
      const message = await deadLetters.receive({ visibilitySeconds: VISIBILITY_SECONDS, waitSeconds: 0 });
      if (!message) return;
      foreign = 0;
      yield message;
    } catch (error) {
      if (isStoreError(error) || ++foreign > MAX_FOREIGN) throw error;
      log.error('reap.foreign-message', { error });
    }
  }
}

function mayErase(deps: ReapDependencies): boolean {
  return deps.mayErase?.() ?? true;
}

async function eraseUpload(deps: ReapDependencies, { id, key }: Upload): Promise<Done> {
  const { state, objects } = deps;
  if (!mayErase(deps)) return undefined;
  await objects.delete(key);
  await state.deleteUpload(id);
  return 'uploads';
}

async function reapJob(deps: ReapDependencies, job: Job): Promise<Done> {
  const { state, objects } = deps;
  if (job.deleted_at) {
    await eraseDeletedJob(deps, job);
    return 'deleted';
  }
  if (!mayErase(deps) && (isTerminal(job) || job.cancel_at !== undefined)) return undefined;
  const mayBeOver = mayErase(deps) && (job.cancel_at !== undefined || job.status === 'queued');
  if (mayBeOver && (await state.updateJob(job.id, { type: 'deadline' })).version !== job.version) return 'ended';
  switch (job.status) {
    case 'awaiting_upload':
      return reapAwaiting(deps, job);
    case 'queued': // Stored, but never sent; or sent so long ago that its message may be lost.
    case 'starting': // A lease that is long over, and nobody took the job: the message may be lost.
    case 'running':
      await enqueue(deps, job);
      return 'sent';
    default:
      await eraseOutputs(objects, job);
      await state.updateJob(job.id, { type: 'purge' });
      return job.output ? 'results' : undefined;
  }
}

async function reapAwaiting(deps: ReapDependencies, job: Job): Promise<Done> {
  const upload = await deps.state.getUpload(job.upload_id);
  if (upload && (await uploadArrived(deps, upload))) {
    // The job still awaits it where the state cannot be written, and the log says why.
    return (await deps.state.getJob(job.id))?.status === 'awaiting_upload' ? undefined : 'admitted';
  }
  const after = await deps.state.updateJob(job.id, { type: 'missing' });
  if (after.due_at !== job.due_at || !mayErase(deps)) return undefined;
  // A repeat of the announcement may have made its signed request valid anew.
  if (upload && Date.parse(upload.expires_at) > (deps.now ?? Date.now)()) return undefined;
  await deps.state.updateJob(job.id, { type: 'expire' });
  return 'expired';
}

/** A message that was delivered too often: its job kills every worker that takes it. */
async function buryDeadLetter(
  { state, objects, deadLetters, log }: ReapDependencies,
  message: QueueMessage,
): Promise<Done> {
  let done: Done;
  const error = new AppError('worker-lost', 'Every worker that took the job was lost while it ran; it is given up.');
  try {
    const failed = await state.updateJob(message.jobId, { type: 'fail', error });
    // An alarm counts these lines: many dead letters are of jobs that ended otherwise.
    if (failed.status === 'failed') log.error('job.lost', { job_id: failed.id, account: failed.account });
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
