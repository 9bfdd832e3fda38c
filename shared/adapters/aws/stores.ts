import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import type { ObjectStore } from '../../ports.ts';
import type { RateLimits } from '../../rate-limits.ts';
import { createDynamoStateStore } from './dynamo-state-store.ts';
import { createS3Client } from './s3-client.ts';
import { createS3ObjectStore } from './s3-object-store.ts';
import { shareClock } from './service-time.ts';
import { createSqsJobQueue } from './sqs-job-queue.ts';

/** Names of the resources that the infrastructure made. Credentials and other endpoints: the variables of the SDK. */
export const awsVariables = {
  /** The SDK reads it itself, and would ask nobody without it. */
  AWS_REGION: z.string().min(1),
  TABLE: z.string().min(1),
  BUCKET: z.string().min(1),
  QUEUE_URL: z.url(),
  DEAD_LETTERS_URL: z.url(),
  /** For servers without a host name for each bucket. */
  S3_PATH_STYLE: z.stringbool().default(false),
};

type AwsVariables = z.output<z.ZodObject<typeof awsVariables>>;

interface Options {
  /** Limits of accounts. Default: none. */
  limits?: RateLimits | undefined;
}

/**
 * A connection that says nothing for so long is given up, and the request repeated. Three times must fit into the minute
 * that a caller of the API waits; S3 may take a while to begin with, and SQS waits for two seconds where it has nothing.
 */
const TIMEOUTS = {
  s3: { connectionTimeout: 3_000, socketTimeout: 15_000 },
  sqs: { connectionTimeout: 3_000, socketTimeout: 8_000 },
  dynamo: { connectionTimeout: 3_000, socketTimeout: 5_000 },
};

export function openBucket(bucket: string, forcePathStyle: boolean): ObjectStore {
  return createS3ObjectStore({ client: bucketClient(forcePathStyle), bucket });
}

function bucketClient(forcePathStyle: boolean): S3Client {
  return createS3Client({ requestHandler: TIMEOUTS.s3, forcePathStyle });
}

/** The three ports on AWS. */
export function openAwsStores(variables: Omit<AwsVariables, 'AWS_REGION'>, { limits }: Options = {}) {
  const { TABLE, BUCKET, QUEUE_URL, DEAD_LETTERS_URL, S3_PATH_STYLE } = variables;
  const sqs = new SQSClient({ requestHandler: TIMEOUTS.sqs });
  const dynamo = new DynamoDBClient({ requestHandler: TIMEOUTS.dynamo });
  const s3 = bucketClient(S3_PATH_STYLE);
  shareClock(s3, sqs, dynamo);
  return {
    state: createDynamoStateStore({ client: dynamo, table: TABLE, now: Date.now, limits }),
    objects: createS3ObjectStore({ client: s3, bucket: BUCKET }),
    queue: createSqsJobQueue({ client: sqs, url: QUEUE_URL }),
    deadLetters: createSqsJobQueue({ client: sqs, url: DEAD_LETTERS_URL }),
  };
}
