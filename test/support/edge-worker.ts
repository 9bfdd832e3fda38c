import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SQSClient } from '@aws-sdk/client-sqs';
import { createApp } from '../../functions/api/app.ts';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import { createS3Client } from '../../shared/adapters/aws/s3-client.ts';
import { createS3ObjectStore } from '../../shared/adapters/aws/s3-object-store.ts';
import { createSqsJobQueue } from '../../shared/adapters/aws/sqs-job-queue.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { modelsNamed, SHIPPED_IDS } from '../../shared/methods/registry.ts';
import { createMetrics } from '../../shared/metrics.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { createSigner, parseSigningKey } from '../../shared/signature.ts';

/** The same API as a worker of a runtime without Node; it has nothing but these variables. */
export interface Variables {
  TABLE: string;
  BUCKET: string;
  QUEUE_URL: string;
  SIGNING_KEY: string;
  S3_ENDPOINT: string;
  SQS_ENDPOINT: string;
  DYNAMODB_ENDPOINT: string;
  ACCESS_KEY_ID: string;
  SECRET_ACCESS_KEY: string;
}

let api: ReturnType<typeof createApp> | undefined;

// biome-ignore lint/style/noDefaultExport: the runtime looks for it
export default {
  async fetch(request: Request, variables: Variables): Promise<Response> {
    api ??= await open(variables);
    return api.fetch(request);
  },
};

async function open(variables: Variables) {
  const credentials = { accessKeyId: variables.ACCESS_KEY_ID, secretAccessKey: variables.SECRET_ACCESS_KEY };
  const sdk = (endpoint: string) => ({ region: 'us-east-1', endpoint, credentials });
  const sqs = new SQSClient(sdk(variables.SQS_ENDPOINT));
  return createApp({
    state: createDynamoStateStore({
      client: new DynamoDBClient(sdk(variables.DYNAMODB_ENDPOINT)),
      table: variables.TABLE,
      now: Date.now,
    }),
    objects: createS3ObjectStore({
      client: createS3Client({ ...sdk(variables.S3_ENDPOINT), forcePathStyle: true }),
      bucket: variables.BUCKET,
    }),
    queue: createSqsJobQueue({ client: sqs, url: variables.QUEUE_URL }),
    signer: createSigner(parseSigningKey(variables.SIGNING_KEY)),
    installedModels: modelsNamed(SHIPPED_IDS),
    limits: DEFAULT_LIMITS,
    prices: PRICE_LISTS.standard,
    log: createLog('error', (line) => console.error(line)),
    metrics: createMetrics(),
    now: Date.now,
  });
}
