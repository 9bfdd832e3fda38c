import { type Client, isApiError, type JobView } from '../../shared/client.ts';
import { announce } from './announcer.tsx';
import { wordedError } from './error-words.ts';
import type { Order } from './order.ts';
import { Question } from './question.tsx';
import { describeCharge } from './words.ts';
import type { Workshop } from './workshop.ts';

interface EraseQuestionProps {
  workshop: Workshop;
  order: Order;
  /** As it was seen last. */
  job: JobView | undefined;
  onClose: () => void;
}

/** Photo and result are erased here and at the service. A running job is canceled before, so that it costs nothing. */
export function EraseQuestion({ workshop: { client, album }, order, job, onClose }: EraseQuestionProps) {
  const isRunning = job !== undefined && !job.terminal;
  async function erase(): Promise<void> {
    await endAndErase(client, order.job!);
    await album.forget(order.key);
    announce(`${order.name} is erased.`);
  }
  return (
    <Question title={`Erase ${order.name}?`} yes="Erase" no="Keep" onYes={erase} onClose={onClose}>
      {isRunning && 'It is still being worked on: it is canceled first, and costs nothing. '}
      Photo and result are erased here and at the service, for good.
    </Question>
  );
}

/** Throws where the job has cost something meanwhile: then it is asked once more. */
async function endAndErase(client: Client, id: string): Promise<void> {
  const job = await client.job(id).catch(ifGone);
  if (!job) return;
  if (!job.terminal) {
    await client.cancel(id).catch(ifFinished);
    const ended = await client.follow(id);
    if (ended.status === 'succeeded') {
      throw wordedError(
        'It was done before it could be canceled',
        `${describeCharge(ended)} The result is still there.`,
      );
    }
  }
  await client.erase(id).catch(ifGone);
}

function ifGone(error: unknown): undefined {
  if (isApiError(error) && [404, 410].includes(error.problem.status)) return undefined;
  throw error;
}

function ifFinished(error: unknown): undefined {
  if (isApiError(error) && error.problem.code === 'already-finished') return undefined;
  throw error;
}
