import { uploadArrived } from '../../shared/admission.ts';
import { type AttemptResult, type Delivery, isLastTry } from '../../shared/delivery.ts';
import { AppError } from '../../shared/error.ts';
import type { Job } from '../../shared/job.ts';
import type { OutboundResponse } from '../../shared/outbound.ts';
import type { Upload } from '../../shared/ports.ts';
import { asStoreError, isStoreError } from '../../shared/store-error.ts';
import type { NotifyDependencies } from './notify.ts';

const TIMEOUT_SECONDS = 60;

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
  if (!upload || job.status !== 'awaiting_upload') return { outcome: 'give_up', error: 'The job awaits no input.' };
  try {
    const status = (await objects.head(upload.key)) ? 200 : await download(deps, delivery, upload);
    // Deleted while the file was on its way: nobody would ever erase it.
    if (!(await state.getUpload(upload.id))) await objects.delete(upload.key);
    else await uploadArrived(deps, upload);
    return { outcome: 'done', status };
  } catch (error) {
    if (!(error instanceof AppError) || isStoreError(error)) throw error;
    return failed(deps, delivery, job, error);
  }
}

/** Returns the status. Throws AppError: retryable where another attempt may help. */
async function download(
  { outbound, objects, limits, room }: NotifyDependencies,
  { url = '' }: Delivery,
  upload: Upload,
) {
  await room?.check(limits.max_upload_bytes);
  const response = await outbound.fetch({
    method: 'GET',
    url,
    headers: { Accept: 'image/*' },
    timeoutSeconds: TIMEOUT_SECONDS,
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
    if (!(refusal instanceof AppError)) throw refusal; // else it was canceled meanwhile
  });
  return { outcome: 'give_up', error: error.message } as const;
}
