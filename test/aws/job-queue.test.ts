import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSqsJobQueue } from '../../shared/adapters/aws/sqs-job-queue.ts';
import { jobQueueContract, MAX_RECEIVES_UNDER_TEST } from '../contract/job-queue.contract.ts';
import { AWS, type AwsServer, startElasticMq, startMiniStack } from '../support/aws-servers.ts';

/**
 * What no server here checks: fairness between groups, throttling, 120,000 messages in flight, the 12 hours that a message
 * can be hidden, retention, who may do what. ElasticMQ checks no signature either. SQS itself often takes a delete with
 * an old receipt for a success that changes nothing; these two refuse it. Its counts lag, theirs do not.
 */
describe.each([
  { name: 'ElasticMQ', start: startElasticMq },
  { name: 'MiniStack', start: startMiniStack },
])('SQS on $name', ({ name, start }) => {
  let server: AwsServer;
  let client: SQSClient;
  let queues = 0;
  beforeAll(async () => {
    server = await start();
    client = new SQSClient({ ...AWS, endpoint: server.endpoint });
  });
  afterAll(async () => {
    client.destroy();
    await server.close();
  });

  jobQueueContract(name, async () => {
    const deadLetters = await createQueue(`dead-letters-${++queues}`);
    const { Attributes } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: deadLetters, AttributeNames: ['QueueArn'] }),
    );
    const redrive = { deadLetterTargetArn: Attributes?.QueueArn, maxReceiveCount: MAX_RECEIVES_UNDER_TEST };
    const url = await createQueue(`jobs-${queues}`, { RedrivePolicy: JSON.stringify(redrive) });
    return {
      queue: createSqsJobQueue({ client, url }),
      deadLetters: createSqsJobQueue({ client, url: deadLetters }),
      advance: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
      close: async () => {},
    };
  });

  it('names the tenant as the group of the message', async () => {
    const url = await createQueue('groups');
    await createSqsJobQueue({ client, url }).send({ jobId: 'job_1', tenant: 'acc_one' });
    const { Messages } = await client.send(
      new ReceiveMessageCommand({ QueueUrl: url, MessageSystemAttributeNames: ['MessageGroupId'] }),
    );
    expect(Messages?.[0]?.Attributes?.MessageGroupId).toBe('acc_one');
  });

  it('does not take trouble with the queue for an old receipt', async () => {
    const queue = createSqsJobQueue({ client, url: `${await createQueue('short-lived')}-gone` });
    await expect(queue.delete('receipt')).rejects.toThrow();
    await expect(queue.extend('receipt', 1)).rejects.toThrow();
  });

  async function createQueue(QueueName: string, Attributes: Record<string, string> = {}): Promise<string> {
    const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
    return QueueUrl!;
  }
});
