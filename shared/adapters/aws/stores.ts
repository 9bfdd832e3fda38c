import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SQSClient } from '@aws-sdk/client-sqs';
import { z } from 'zod';
import type { ObjectStore } from '../../ports.ts';
import { createDynamoStateStore } from './dynamo-state-store.ts';
import { createS3ObjectStore } from './s3-object-store.ts';
import { createSqsJobQueue } from './sqs-job-queue.ts';

/** Names of what the infrastructure made. Region, credentials and other endpoints: the variables of the SDK. */
export const awsVariables = {
  TABLE: z.string().min(1),
  BUCKET: z.string().min(1),
  QUEUE_URL: z.url(),
  DEAD_LETTERS_URL: z.url(),
  /** For servers without a host name for each bucket. */
  S3_PATH_STYLE: z.stringbool().default(false),
};

interface Options {
  /** Unfinished jobs of one key, where the key itself says nothing. Default: any number. */
  inflightCap?: number | undefined;
}

/** A connection that says nothing for so long is given up, and the request repeated. */
const TIMEOUTS = { connectionTimeout: 5_000, socketTimeout: 60_000 };

/** `sqs`: a client that is there already, whose connections and credentials will do. */
export function openBucket(
  bucket: string,
  forcePathStyle: boolean,
  sqs = new SQSClient({ requestHandler: TIMEOUTS }),
): ObjectStore {
  const endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
  return createS3ObjectStore({ bucket, sdk: sqs.config, endpoint, forcePathStyle });
}

/** The three ports on AWS. */
export function openAwsStores(variables: z.output<z.ZodObject<typeof awsVariables>>, { inflightCap }: Options = {}) {
  const { TABLE, BUCKET, QUEUE_URL, DEAD_LETTERS_URL, S3_PATH_STYLE } = variables;
  const sqs = new SQSClient({ requestHandler: TIMEOUTS });
  const state = createDynamoStateStore({
    client: new DynamoDBClient({ requestHandler: TIMEOUTS }),
    table: TABLE,
    now: Date.now,
    ...(inflightCap !== undefined && { inflightCap }),
  });
  return {
    state,
    objects: openBucket(BUCKET, S3_PATH_STYLE, sqs),
    queue: createSqsJobQueue({ client: sqs, url: QUEUE_URL }),
    deadLetters: createSqsJobQueue({ client: sqs, url: DEAD_LETTERS_URL }),
  };
}
