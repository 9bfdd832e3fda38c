import { eraseOutputs } from '../../shared/erasure.ts';
import { AppError } from '../../shared/error.ts';
import type { Job, JobEvent } from '../../shared/job.ts';
import type { JobQueue, ObjectStore, QueueMessage, StateStore } from '../../shared/ports.ts';
import { isStoreError } from '../../shared/store-error.ts';
import type { Outwait } from './outwait-trouble.ts';
import { putBack } from './put-back.ts';

/** After the first failure of a job, and after the second: the cause may have passed by then. */
const PAUSE_SECONDS = [1, 5];

interface Stores {
  state: StateStore;
  objects: ObjectStore;
  queue: JobQueue;
  settle: Outwait;
}

/** Requeues or ends a job whose attempt did not succeed. `pauseSeconds`: until its model is worth another try. */
export async function conclude(
  job: Job,
  message: QueueMessage,
  reason: unknown,
  { pauseSeconds, state, objects, queue, settle }: Stores & { pauseSeconds: number },
): Promise<void> {
  const { attempt } = job;
  if (reason === 'lost' || (reason instanceof AppError && reason.code === 'lease-lost')) return; // another's job now
  const after = await settle(() => state.updateJob(job.id, endOf(attempt, reason)));
  if (after.status !== 'queued') await settle(() => queue.delete(message.receipt));
  else if (reason === 'drain') await putBack(message, 0, { queue, settle });
  else if (isModelTrouble(reason)) await putBack(message, pauseSeconds, { queue, settle });
  else if (isStoreError(reason)) await putBack(message, pauseAfter(message), { queue, settle });
  else await putBack(message, PAUSE_SECONDS[after.failures - 1] ?? 0, { queue, settle });
  await settle(() => eraseOutputs(objects, after)); // a part of them may be stored
}

/** Seconds. Trouble may be of one file alone: others have their turn meanwhile. */
function pauseAfter({ receiveCount }: QueueMessage): number {
  return receiveCount === 1 ? 0 : 2 ** (receiveCount - 2);
}

/** Of the machine or a store: no fault of the job, and no failure of it. */
export function isTrouble(reason: unknown): reason is AppError {
  return isStoreError(reason) || isModelTrouble(reason);
}

export function isModelTrouble(reason: unknown): reason is AppError {
  return reason instanceof AppError && reason.code === 'model-not-loaded';
}

function endOf(attempt: number, reason: unknown): JobEvent {
  if (reason === 'cancel' || reason === 'drain' || isTrouble(reason)) return { type: 'give_back', attempt };
  if (reason instanceof AppError && !reason.retryable) return { type: 'fail', attempt, error: reason };
  const error = reason instanceof AppError ? reason : new AppError('internal', 'Unexpected error in the worker.');
  return { type: 'give_back', attempt, error };
}
