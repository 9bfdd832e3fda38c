import { uploadArrived } from '../../shared/admission.ts';
import {
  ATTEMPT_SECONDS,
  type AttemptResult,
  CUT_OFF,
  type Delivery,
  isForsaken,
  isLastTry,
} from '../../shared/delivery.ts';
import { AppError } from '../../shared/error.ts';
import type { Job } from '../../shared/job.ts';
import type { OutboundResponse } from '../../shared/outbound.ts';
import type { Upload } from '../../shared/ports.ts';
import { asStoreError, isStoreError } from '../../shared/store-error.ts';
import type { NotifyDependencies } from './dependencies.ts';

/**
 * Fetches the photo that a job names by its URL into the object store; the job then goes on like one whose upload has
 * arrived. A refusal, and the last failure, fail the job.
 */
export async function fetchInput(
  deps: NotifyDependencies,
  delivery: Delivery,
): Promise<Omit<AttemptResult, 'milliseconds'>> {
  const { state, objects } = deps;
  const job = await state.getJob(delivery.job_id ?? '');
  const upload = job && (await state.getUpload(job.upload_id));
  if (!upload || job.status !== 'awaiting_upload') {
    if (upload) await forget(deps, upload);
    return { outcome: 'give_up', error: 'The job awaits no input.' };
  }
  try {
    const status = (await objects.head(upload.key)) ? 200 : await download(deps, delivery, upload);
    const { bytes } = (await objects.head(upload.key)) ?? upload;
    // Deleted while the file was on its way: nobody would ever erase it.
    if (!(await state.updateUpload(upload.id, { bytes }))) await objects.delete(upload.key);
    else await uploadArrived(deps, upload);
    return { outcome: 'done', status };
  } catch (error) {
    if (isStoreError(error) || !(error instanceof AppError)) throw error;
    const result = await failed(deps, delivery, job, error);
    if (result.outcome === 'give_up') await forget(deps, upload);
    return result;
  }
}

/** An upload whose file will never come counts against nobody. */
async function forget({ state, objects }: NotifyDependencies, upload: Upload): Promise<void> {
  if (!(await objects.head(upload.key))) await state.deleteUpload(upload.id);
}

/** Returns the status. Throws AppError: retryable where another attempt may help. */
async function download(deps: NotifyDependencies, delivery: Delivery, upload: Upload): Promise<number> {
  if (isForsaken(delivery)) throw new AppError('fetch-failed', CUT_OFF);
  const leave = await deps.room?.hold(upload.account, deps.limits.max_upload_bytes);
  try {
    return await transfer(deps, delivery.url ?? '', upload);
  } finally {
    leave?.();
  }
}

async function transfer({ outbound, objects, limits }: NotifyDependencies, url: string, upload: Upload) {
  const response = await outbound.fetch({
    method: 'GET',
    url,
    headers: { Accept: 'image/*' },
    timeoutSeconds: ATTEMPT_SECONDS.input,
    maxBytes: limits.max_upload_bytes,
  });
  await checkStatus(response, new URL(url).host);
  await objects.put(upload.key, response.body, { contentType: upload.content_type }).catch((error: unknown) => {
    // Of an attempt that was taken for lost, and was only slow.
    if (!(error instanceof AppError) || error.code !== 'already-exists') throw asStoreError(error);
  });
  return response.status;
}

async function checkStatus({ status, body }: OutboundResponse, host: string): Promise<void> {
  if (status >= 200 && status < 300) return;
  await body.cancel();
  const isTransient = status === 408 || status === 429 || status >= 500;
  const rule = status >= 300 && status < 400 ? '; redirects are not followed' : '';
  throw new AppError(isTransient ? 'fetch-failed' : 'url-refused', `${host} answered ${status}${rule}.`);
}

async function failed({ state }: NotifyDependencies, delivery: Delivery, job: Job, error: AppError) {
  if (error.retryable && !isLastTry(delivery)) return { outcome: 'retry', error: error.message } as const;
  await state.updateJob(job.id, { type: 'fail', error }).catch((refusal: unknown) => {
    if (!(refusal instanceof AppError) || isStoreError(refusal)) throw refusal; // else it was canceled meanwhile
  });
  return { outcome: 'give_up', error: error.message } as const;
}
