import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
  SQSServiceException,
} from '@aws-sdk/client-sqs';
import { z } from 'zod';
import type { JobQueue, QueueMessage } from '../../ports.ts';
import { QUEUE, tellTrouble } from './aws-trouble.ts';

interface Options {
  client: SQSClient;
  /** Of a standard queue, whose redrive policy names the queue of the dead letters. */
  url: string;
}

/**
 * SQS holds a request open for 20 seconds and may hand a message to one whose sender has gone, which then hides it from
 * all others. So requests are never broken off, and short instead: 1.3 million a month for a worker that only waits.
 */
const POLL_SECONDS = 2;

/** Errors of SQS for a receipt that is another's, used up or too old. */
const STALE = new Set(['ReceiptHandleIsInvalid', 'InvalidParameterValue', 'MessageNotInflight']);

const bodySchema = z.object({ job_id: z.string(), tenant: z.string() });

/**
 * The tenant is the message group: a standard queue with groups serves quiet tenants before one that floods it.
 * SQS may take an old receipt for a good one and answer true; then the message comes again all the same.
 */
export function createSqsJobQueue({ client, url }: Options): JobQueue {
  tellTrouble(client, QUEUE);
  const QueueUrl = url;
  async function take(VisibilityTimeout: number, WaitTimeSeconds: number): Promise<QueueMessage | null> {
    const { Messages } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 1,
        VisibilityTimeout,
        WaitTimeSeconds,
        MessageSystemAttributeNames: ['ApproximateReceiveCount'],
      }),
    );
    const message = Messages?.[0];
    if (!message) return null;
    const { job_id, tenant } = bodySchema.parse(JSON.parse(message.Body ?? ''));
    const receiveCount = Number(message.Attributes?.ApproximateReceiveCount);
    return { jobId: job_id, tenant, receipt: message.ReceiptHandle!, receiveCount };
  }

  const queue: JobQueue = {
    async send({ jobId, tenant }) {
      const MessageBody = JSON.stringify({ job_id: jobId, tenant });
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody, MessageGroupId: tenant }));
    },

    async receive({ visibilitySeconds, waitSeconds, signal }) {
      const deadline = performance.now() + waitSeconds * 1000;
      while (!signal?.aborted) {
        const left = Math.max(0, Math.ceil((deadline - performance.now()) / 1000));
        const message = await take(visibilitySeconds, Math.min(left, POLL_SECONDS));
        if (message && signal?.aborted) await queue.extend(message.receipt, 0);
        else if (message) return message;
        else if (left <= POLL_SECONDS) break;
      }
      return null;
    },

    async extend(receipt, visibilitySeconds) {
      const VisibilityTimeout = visibilitySeconds;
      return isCurrent(
        client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: receipt, VisibilityTimeout })),
      );
    },

    async delete(receipt) {
      return isCurrent(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: receipt })));
    },

    async depth() {
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({
          QueueUrl,
          AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
        }),
      );
      return {
        visible: Number(Attributes?.ApproximateNumberOfMessages ?? 0),
        inFlight: Number(Attributes?.ApproximateNumberOfMessagesNotVisible ?? 0),
      };
    },
  };
  return queue;
}

async function isCurrent(request: Promise<unknown>): Promise<boolean> {
  try {
    await request;
    return true;
  } catch (error) {
    if (error instanceof SQSServiceException && STALE.has(error.name)) return false;
    throw error;
  }
}
