import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, type S3ClientConfig } from '@aws-sdk/client-s3';
import { SQSClient, type SQSClientConfig } from '@aws-sdk/client-sqs';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import { createS3Client } from '../../shared/adapters/aws/s3-client.ts';
import { createS3ObjectStore } from '../../shared/adapters/aws/s3-object-store.ts';
import { shareClock } from '../../shared/adapters/aws/service-time.ts';
import { createSqsJobQueue } from '../../shared/adapters/aws/sqs-job-queue.ts';
import { MAX_RECEIVES } from '../../shared/limits.ts';
import type { RateLimits } from '../../shared/rate-limits.ts';
import { tellWhoAsks } from './asked.ts';
import { AWS, createQueues, startElasticMq, startVersityGateway } from './aws-servers.ts';
import { createStateTable, startDynamoDbLocal } from './dynamodb-local.ts';
import { startHarmfulProxy } from './harmful-proxy.ts';

export type TroubledStores = Awaited<ReturnType<typeof openTroubledStores>>;

export const PARTS = ['s3', 'sqs', 'dynamo'] as const;

interface Options {
  limits?: RateLimits;
  /** For several worlds side by side. Default: servers of their own. */
  servers?: Servers;
  /** How long SQS may wait where it has nothing. Default: as it does. */
  pollMilliseconds?: number;
  /** Of the clients that go through the proxies, beside where and as whom they ask. */
  sdk?: { s3?: S3ClientConfig; sqs?: SQSClientConfig; dynamo?: DynamoDBClientConfig };
}

interface Handler {
  updateHttpClientConfig(key: 'socketTimeout', milliseconds: number): void;
}

type Servers = Awaited<ReturnType<typeof startServers>>;

/** Each keeps the worlds of several tests apart. */
export async function startServers() {
  const [s3, sqs, dynamo] = await Promise.all([startVersityGateway(), startElasticMq(), startDynamoDbLocal()]);
  const close = async () => void (await Promise.all([s3.close(), sqs.close(), dynamo.stop()]));
  return { s3, sqs, dynamo, close };
}

/** The ports on servers that speak AWS, each behind a proxy; `direct`: the same without proxies, to see the truth. */
export async function openTroubledStores(now = Date.now, options: Options = {}) {
  const { limits, sdk = {}, servers, pollMilliseconds } = options;
  const own = servers ?? (await startServers());
  const { s3, sqs, dynamo } = own;
  const proxies = {
    s3: await startHarmfulProxy(s3.endpoint),
    sqs: await startHarmfulProxy(sqs.endpoint, { pollMilliseconds }),
    dynamo: await startHarmfulProxy(dynamo.endpoint),
  };
  const { table } = await createStateTable(dynamo.client);
  const world = crypto.randomUUID();
  const { queue, deadLetters } = await createQueues(
    new SQSClient({ ...AWS, endpoint: sqs.endpoint }),
    `jobs-${world}`,
    MAX_RECEIVES,
  );
  const bucket = `photos-${world}`;
  await createS3Client({ ...AWS, endpoint: s3.endpoint, forcePathStyle: true }).send(
    new CreateBucketCommand({ Bucket: bucket }),
  );
  // The SDK sends to the host of a queue's URL, whichever endpoint it has.
  const at = (endpoint: string, url: string) => url.replace(new URL(url).origin, endpoint);
  const handlers = { s3: [], sqs: [], dynamo: [] } as Record<(typeof PARTS)[number], Handler[]>;
  const open = (endpoints: Record<(typeof PARTS)[number], string>, sdk: NonNullable<Options['sdk']> = {}) => {
    const client = tellWhoAsks(new SQSClient({ ...AWS, ...sdk.sqs, endpoint: endpoints.sqs }));
    const dynamoClient = tellWhoAsks(new DynamoDBClient({ ...AWS, ...sdk.dynamo, endpoint: endpoints.dynamo }));
    const s3Client = createS3Client({ ...AWS, ...sdk.s3, endpoint: endpoints.s3, forcePathStyle: true });
    shareClock(s3Client, client, dynamoClient);
    handlers.s3.push(s3Client.config.requestHandler as unknown as Handler);
    handlers.sqs.push(client.config.requestHandler as unknown as Handler);
    handlers.dynamo.push(dynamoClient.config.requestHandler as unknown as Handler);
    return {
      state: createDynamoStateStore({ client: dynamoClient, table, now, limits }),
      objects: createS3ObjectStore({ client: tellWhoAsks(s3Client), bucket }),
      queue: createSqsJobQueue({ client, url: at(endpoints.sqs, queue) }),
      deadLetters: createSqsJobQueue({ client, url: at(endpoints.sqs, deadLetters) }),
    };
  };
  const through = { s3: proxies.s3.endpoint, sqs: proxies.sqs.endpoint, dynamo: proxies.dynamo.endpoint };
  return {
    proxies,
    stores: open(through, sdk),
    /** As another process asks the same, with clients of its own. */
    openAnother: () => open(through, sdk),
    direct: open({ s3: s3.endpoint, sqs: sqs.endpoint, dynamo: dynamo.endpoint }),
    /** For programs that are told by variables; without proxies. */
    variables: {
      TABLE: table,
      BUCKET: bucket,
      QUEUE_URL: at(sqs.endpoint, queue),
      DEAD_LETTERS_URL: at(sqs.endpoint, deadLetters),
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ENDPOINT_URL_SQS: sqs.endpoint,
      AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
    },
    /** Of those that say nothing, from now on. */
    giveUpAfter(part: (typeof PARTS)[number], milliseconds: number): void {
      for (const handler of handlers[part]) handler.updateHttpClientConfig('socketTimeout', milliseconds);
    },
    doNoHarm(): void {
      for (const proxy of Object.values(proxies)) proxy.doHarm();
    },
    async close(): Promise<void> {
      await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
      if (!servers) await own.close();
    },
  };
}
