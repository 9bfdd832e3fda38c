import { type AttemptResult, type Delivery, isLastTry } from '../../shared/delivery.ts';
import { AppError } from '../../shared/error.ts';
import type { Job, JobOutput } from '../../shared/job.ts';
import { readBeginning } from '../../shared/outbound.ts';
import type { NotifyDependencies } from './notify.ts';

const TIMEOUT_SECONDS = 120;
const LOGGED_BYTES = 1024;

type Result = Omit<AttemptResult, 'milliseconds'>;

const LOST: Result = { outcome: 'give_up', error: 'There is no result any more.' };

/** Puts the result of a job to the presigned URL that its caller gave, and notes in the job what came of it. */
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
  { url = '' }: Delivery,
  { deliver }: Job,
  { key, mime }: JobOutput,
): Promise<Result> {
  const object = await objects.get(key);
  if (!object) return LOST;
  const request = {
    method: 'PUT',
    url,
    headers: { 'Content-Type': mime, ...deliver?.headers, 'Content-Length': String(object.bytes) },
    body: object.body,
    timeoutSeconds: TIMEOUT_SECONDS,
    maxBytes: LOGGED_BYTES,
  } as const;
  const { status, body } = await outbound.fetch(request).catch(async (error: unknown) => {
    // A body that nobody reads would keep its file open; one that is being read refuses this.
    await object.body.cancel().catch(() => {});
    throw error;
  });
  const response = await readBeginning(body, LOGGED_BYTES);
  if (status >= 200 && status < 300) return { outcome: 'done', status };
  const isTransient = status === 408 || status === 429 || status >= 500;
  return {
    outcome: isTransient ? 'retry' : 'give_up',
    status,
    error: `Status ${status}.`,
    ...(response && { response }),
  };
}

function asFailure(error: unknown): Result {
  if (!(error instanceof AppError)) throw error;
  return { outcome: error.retryable ? 'retry' : 'give_up', error: error.message };
}

async function note({ state }: NotifyDependencies, job: Job, { outcome, error }: Result): Promise<void> {
  const delivery =
    outcome === 'done' ? ({ status: 'delivered' } as const) : ({ status: 'failed', detail: error } as const);
  await state.updateJob(job.id, { type: 'delivered', delivery }).catch((refusal: unknown) => {
    if (!(refusal instanceof AppError)) throw refusal; // else it was deleted meanwhile
  });
}
