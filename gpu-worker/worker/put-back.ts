import { MAX_RECEIVES } from '../../shared/limits.ts';
import type { JobQueue, QueueMessage } from '../../shared/ports.ts';
import type { Outwait } from './outwait-trouble.ts';

/**
 * Leaves a message for another time, in `seconds`. Its delivery was none of the job's tries: before it gets to the dead letters, a new
 * message takes the place of this one.
 */
export async function putBack(
  message: QueueMessage,
  seconds: number,
  { queue, settle }: { queue: JobQueue; settle: Outwait },
): Promise<void> {
  const { receipt, receiveCount, jobId, tenant } = message;
  const isYoung = receiveCount < MAX_RECEIVES / 2;
  if (isYoung && (await settle(() => queue.extend(receipt, Math.ceil(seconds))))) return;
  await settle(() => queue.send({ jobId, tenant })); // also where the message was taken for another's
  if (!isYoung) await settle(() => queue.delete(receipt));
}
