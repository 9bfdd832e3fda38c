import { AppError } from './error.ts';
import { type ImageHeader, readImageHeader, sniffFormat } from './image-format.ts';
import { type Job, type JobInput, settleParameters } from './job.ts';
import type { Limits } from './limits.ts';
import type { Log } from './log.ts';
import { checkSizes } from './output-size.ts';
import type { JobQueue, ObjectStore, StateStore, Upload } from './ports.ts';
import type { PriceList } from './pricing.ts';
import { agreedPrice } from './quote.ts';

/** How an upload becomes the checked input of a job, and the job a message in the queue. */

const BEGINNING_BYTES = 64 * 1024;
const PAGE = 100;

export interface AdmissionDependencies {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  limits: Limits;
  prices: PriceList;
  log: Log;
}

/**
 * Inspects the uploaded file by its bytes; null while it is missing. Throws `too-large`, and as `readImageHeader` does.
 */
export async function inspectUpload(objects: ObjectStore, upload: Upload, limits: Limits): Promise<JobInput | null> {
  const stored = await objects.head(upload.key);
  if (!stored) return null;
  if (stored.bytes > limits.max_upload_bytes) {
    throw new AppError(
      'too-large',
      `The file has ${stored.bytes} bytes; max_upload_bytes is ${limits.max_upload_bytes}.`,
    );
  }
  const beginning = await read(objects, upload.key, BEGINNING_BYTES);
  if (!beginning) return null;
  const header = readBeginning(beginning, stored.bytes, limits);
  if (header) return toInput(header, stored.bytes);
  const whole = await read(objects, upload.key, stored.bytes);
  return whole && toInput(readImageHeader(whole, limits), stored.bytes);
}

/** Null: the rest is needed. Only JPEG and GIF surely state size and orientation before the pixels. */
function readBeginning(beginning: Uint8Array, bytes: number, limits: Limits): ImageHeader | null {
  const isWhole = beginning.length >= bytes;
  if (!isWhole && !['jpeg', 'gif'].includes(sniffFormat(beginning, limits))) return null;
  try {
    return readImageHeader(beginning, limits);
  } catch (error) {
    const isCutOff = !isWhole && error instanceof AppError && error.code === 'image-unreadable';
    if (isCutOff) return null;
    throw error;
  }
}

function toInput({ width, height, format }: ImageHeader, bytes: number): JobInput {
  return { width, height, bytes, format };
}

/** A crash between the two steps sends the message twice, never not at all: a worker claims the job only once. */
export async function enqueue(
  { state, queue }: Pick<AdmissionDependencies, 'state' | 'queue'>,
  job: Job,
): Promise<void> {
  await queue.send({ jobId: job.id, tenant: job.account });
  await state.updateJob(job.id, { type: 'sent' });
}

/**
 * Admits the jobs that await this upload: each is queued and its price reserved, or it fails without charge when the image
 * breaks a rule or cannot be paid.
 * Returns whether the upload is there. Repeating it is harmless.
 */
export async function uploadArrived(deps: AdmissionDependencies, upload: Upload): Promise<boolean> {
  if (!(await deps.objects.head(upload.key))) return false;
  const jobs = await awaitingJobs(deps.state, upload);
  if (jobs.length === 0) return true;
  const input = await inspectUpload(deps.objects, upload, deps.limits).catch(asAppError);
  if (!input) return false;
  for (const job of jobs) {
    try {
      await admit(deps, job, input);
    } catch (error) {
      // Canceled meanwhile, or the queue does not answer: the reaper comes again, and the other jobs must not wait.
      deps.log.warn('admission-failed', { job_id: job.id, error });
    }
  }
  return true;
}

async function admit(deps: AdmissionDependencies, job: Job, input: JobInput | AppError): Promise<void> {
  const admitted = await uploaded(deps, job, input).catch(asRefusal);
  if (admitted instanceof AppError) await deps.state.updateJob(job.id, { type: 'fail', error: admitted });
  else if (admitted.status === 'queued' && !admitted.sent_at) await enqueue(deps, admitted);
}

async function uploaded(deps: AdmissionDependencies, job: Job, input: JobInput | AppError): Promise<Job> {
  if (input instanceof AppError) throw input;
  checkSizes(input, settleParameters(job, input), deps.limits);
  const agreed = agreedPrice(job, input, deps.prices);
  return await deps.state.updateJob(job.id, { type: 'uploaded', input, ...agreed });
}

/** An answer that ends the job. Not one: that the job has ended by itself meanwhile. */
function asRefusal(error: unknown): AppError {
  const refusal = asAppError(error);
  if (refusal.status === 404 || refusal.status === 409 || refusal.status === 410) throw refusal;
  return refusal;
}

/** A rule that the image breaks is an answer; anything else, such as a store that does not answer, stays an error. */
function asAppError(error: unknown): AppError {
  if (error instanceof AppError && error.status < 500) return error;
  throw error;
}

async function awaitingJobs(state: StateStore, upload: Upload): Promise<Job[]> {
  const filter = { account: upload.account, upload_id: upload.id, status: 'awaiting_upload', limit: PAGE } as const;
  const found: Job[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await state.listJobs({ ...filter, cursor });
    found.push(...page.jobs);
    cursor = page.next_cursor;
    if (!cursor) return found;
  }
}

/** The first `bytes` bytes of an object, or fewer where it ends. */
async function read(objects: ObjectStore, key: string, bytes: number): Promise<Uint8Array | null> {
  const part = await objects.get(key, { first: 0, last: bytes - 1 });
  return part && new Uint8Array(await new Response(part.body).arrayBuffer());
}
