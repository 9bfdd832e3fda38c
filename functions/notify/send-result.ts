import {
  ATTEMPT_SECONDS,
  type AttemptResult,
  CUT_OFF,
  type Delivery,
  isForsaken,
  isLastTry,
} from '../../shared/delivery.ts';
import { AppError } from '../../shared/error.ts';
import type { Job, JobOutput } from '../../shared/job.ts';
import { readBeginning } from '../../shared/outbound.ts';
import { isStoreError } from '../../shared/store-error.ts';
import type { NotifyDependencies } from './dependencies.ts';

const LOGGED_BYTES = 1024;
/** How S3 and Azure say that it is there already. */
const TAKEN = [412, 409];
/** Headers of S3, Azure and Google by which a receiver takes it only once. */
const ONCE = ['if-none-match', 'x-goog-if-generation-match'];

type Result = Omit<AttemptResult, 'milliseconds'>;

const LOST: Result = { outcome: 'give_up', error: 'There is no result any more.' };

/** Puts the result of a job to the presigned URL that its caller gave, and notes the outcome in the job. */
export async function sendResult(deps: NotifyDependencies, delivery: Delivery): Promise<Result> {
  const job = await deps.state.getJob(delivery.job_id ?? '');
  if (!job || job.deleted_at) return LOST;
  const result = job.output ? await put(deps, delivery, job, job.output).catch(asFailure) : LOST;
  const isOver = result.outcome !== 'retry' || isLastTry(delivery);
  if (isOver) await note(deps, job, result);
  return result;
}

async function put(
  { objects, outbound }: NotifyDependencies,
  delivery: Delivery,
  { deliver }: Job,
  { key, mime }: JobOutput,
): Promise<Result> {
  if (isForsaken(delivery)) return { outcome: 'give_up', error: CUT_OFF };
  const object = await objects.get(key);
  if (!object) return LOST;
  const request = {
    method: 'PUT',
    url: delivery.url ?? '',
    headers: { 'Content-Type': mime, ...deliver?.headers, 'Content-Length': String(object.bytes) },
    body: object.body,
    timeoutSeconds: ATTEMPT_SECONDS.result,
    maxBytes: LOGGED_BYTES,
  } as const;
  const { status, body } = await outbound.fetch(request).catch(async (error: unknown) => {
    // A body that nobody reads would keep its file open; one that is being read refuses this.
    await object.body.cancel().catch(() => {});
    throw error;
  });
  const response = await readBeginning(body, LOGGED_BYTES);
  const isDone = (status >= 200 && status < 300) || (TAKEN.includes(status) && mayBeThere(delivery, deliver));
  if (isDone) return { outcome: 'done', status };
  const isTransient = status === 408 || status === 429 || status >= 500;
  return {
    outcome: isTransient ? 'retry' : 'give_up',
    status,
    error: `Status ${status}.`,
    ...(response && { response }),
  };
}

/**
 * An earlier attempt has sent it and got no answer, or died; and the receiver takes it only once: the file that it has
 * already is the one that was sent to it.
 */
function mayBeThere({ claim, tries, attempts }: Delivery, deliver: Job['deliver']): boolean {
  const isOnce = Object.keys(deliver?.headers ?? {}).some((name) => ONCE.includes(name));
  return isOnce && (claim > tries + 1 || attempts.some(({ status = 500 }) => status >= 500));
}

function asFailure(error: unknown): Result {
  if (isStoreError(error) || !(error instanceof AppError)) throw error;
  return { outcome: error.retryable ? 'retry' : 'give_up', error: error.message };
}

async function note({ state }: NotifyDependencies, job: Job, { outcome, error }: Result): Promise<void> {
  const delivery =
    outcome === 'done' ? ({ status: 'delivered' } as const) : ({ status: 'failed', detail: error } as const);
  await state.updateJob(job.id, { type: 'delivered', delivery }).catch((refusal: unknown) => {
    if (!(refusal instanceof AppError) || isStoreError(refusal)) throw refusal; // else it was deleted meanwhile
  });
}
