import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSqsJobQueue } from '../../shared/adapters/aws/sqs-job-queue.ts';
import { jobQueueContract, MAX_RECEIVES_UNDER_TEST } from '../contract/job-queue.contract.ts';
import { AWS, type AwsServer, createQueues, startElasticMq, startMiniStack } from '../support/aws-servers.ts';

/**
 * No server here checks: fairness between groups, throttling, 120,000 messages in flight, the 12 hours that a message
 * can be hidden, retention, permissions. ElasticMQ checks no signature either. SQS itself often takes a delete with
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
    const urls = await createQueues(client, `jobs-${++queues}`, MAX_RECEIVES_UNDER_TEST);
    return {
      queue: createSqsJobQueue({ client, url: urls.queue }),
      deadLetters: createSqsJobQueue({ client, url: urls.deadLetters }),
      advance: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
      close: async () => {},
    };
  });

  it('names the tenant as the group of the message', async () => {
    const { queue: url } = await createQueues(client, 'groups', 1);
    await createSqsJobQueue({ client, url }).send({ jobId: 'job_1', tenant: 'acc_one' });
    const { Messages } = await client.send(
      new ReceiveMessageCommand({ QueueUrl: url, MessageSystemAttributeNames: ['MessageGroupId'] }),
    );
    expect(Messages?.[0]?.Attributes?.MessageGroupId).toBe('acc_one');
  });

  it('does not take trouble with the queue for an old receipt', async () => {
    const queue = createSqsJobQueue({ client, url: `${server.endpoint}/000000000000/never-made` });
    await expect(queue.delete('receipt')).rejects.toThrow();
    await expect(queue.extend('receipt', 1)).rejects.toThrow();
  });
});
