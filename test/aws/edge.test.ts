import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ORIGIN_SECRET_HEADER } from '../../functions/api/origin-secret.ts';
import { bundleFunction } from '../../infra/function-bundle.ts';
import { createLocalKey, LOCAL_ACCOUNT } from '../../local/account.ts';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import { MAX_RECEIVES } from '../../shared/limits.ts';
import { SHIPPED_MODELS } from '../../shared/models.ts';
import { AWS, type AwsServer, createQueues, startElasticMq, startVersityGateway } from '../support/aws-servers.ts';
import { createStateTable, type DynamoServer, startDynamoDbLocal } from '../support/dynamodb-local.ts';
import type { Variables } from '../support/edge-worker.ts';
import { startLambda } from '../support/lambda.ts';
import { startWorkerd } from '../support/workerd.ts';

/**
 * The API as its bundles are, in the two runtimes of the edge: Lambda, whose interface is emulated, and workerd. The
 * stores are those of the other suites.
 */

type Call = (request: { method: string; path: string; body?: object }) => Promise<{ status: number; body: string }>;

const SIGNING_KEY = JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
const ORIGIN_SECRET = 'a secret that only the distribution and the function know';

let s3: AwsServer;
let sqs: AwsServer;
let dynamo: DynamoServer;
let directory: string;
let resources: Pick<Variables, 'TABLE' | 'BUCKET' | 'QUEUE_URL'> & { DEAD_LETTERS_URL: string };
let key: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-edge-'));
  [s3, sqs, dynamo] = await Promise.all([startVersityGateway(), startElasticMq(), startDynamoDbLocal()]);
  const s3Client = new S3Client({ ...AWS, endpoint: s3.endpoint, forcePathStyle: true });
  await s3Client.send(new CreateBucketCommand({ Bucket: 'photos' }));
  const { queue, deadLetters } = await createQueues(
    new SQSClient({ ...AWS, endpoint: sqs.endpoint }),
    'jobs',
    MAX_RECEIVES,
  );
  const { table } = await createStateTable(dynamo.client);
  resources = { TABLE: table, BUCKET: 'photos', QUEUE_URL: queue, DEAD_LETTERS_URL: deadLetters };
  const state = createDynamoStateStore({ client: dynamo.client, table, now: Date.now });
  ({ secret: key } = await createLocalKey(state, { name: 'test' }));
  await state.topUp({ account: LOCAL_ACCOUNT, amount: 1_000_000, payment: 'first' });
});
afterAll(async () => {
  await Promise.all([s3?.close(), sqs?.close(), dynamo?.stop()]);
  await rm(directory, { recursive: true, force: true });
});

/** Upload by the signed URL, quote, submit, read, cancel; each answer as `createApp` gives it anywhere. */
async function useApi(call: Call): Promise<void> {
  const json = async (method: string, path: string, body?: object) => {
    const answer = await call({ method, path, ...(body && { body }) });
    const told = JSON.parse(answer.body) as { id: string; url: string; headers: Record<string, string> };
    return { http: answer.status, ...told };
  };
  const photo = await sharp({ create: { width: 24, height: 16, channels: 3, background: '#3060a0' } })
    .png()
    .toBuffer();
  const upload = await json('POST', '/v1/uploads', { bytes: photo.length, content_type: 'image/png' });
  expect(upload.http).toBe(201);
  const sent = await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: new Uint8Array(photo) });
  expect(sent.status).toBe(200);
  const job = await json('POST', '/v1/jobs', { input: { upload_id: upload.id }, model: 'real-esrgan' });
  expect(job).toMatchObject({ input: { width: 24, height: 16 }, charge: { state: 'reserved' } });
  expect(await json('GET', `/v1/jobs/${job.id}`)).toMatchObject({ http: 200, status: 'queued' });
  expect(await json('POST', `/v1/jobs/${job.id}/cancel`)).toMatchObject({ charge: { state: 'released' } });
  expect(await json('GET', '/v1/jobs/job_none')).toMatchObject({ http: 404 });
  expect(await json('GET', '/v1/balance')).toMatchObject({ balance: 1_000_000 });
}

test('in Lambda: one bundle, behind the secret of the distribution, with the website', async () => {
  const bundle = await bundleFunction('api', directory);
  const lambda = await startLambda(join(bundle, 'index.mjs'), {
    ...resources,
    S3_PATH_STYLE: 'true',
    AWS_REGION: AWS.region,
    AWS_ACCESS_KEY_ID: AWS.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: AWS.credentials.secretAccessKey,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_ENDPOINT_URL_SQS: sqs.endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: dynamo.endpoint,
    PUBLIC_URL: 'https://api.example',
    STORAGE_ORIGIN: s3.endpoint,
    PRICES: 'standard',
    MODELS: SHIPPED_MODELS.join(','),
    SIGNING_KEY,
    ORIGIN_SECRET,
    LOG_LEVEL: 'error',
  });
  try {
    expect((await lambda.call({ method: 'GET', path: '/healthz' })).status).toBe(403);
    const passed = { [ORIGIN_SECRET_HEADER.toLowerCase()]: ORIGIN_SECRET };
    await useApi(async ({ method, path, body }) => {
      const headers = { ...passed, 'x-api-key': key, 'content-type': 'application/json' };
      const answer = await lambda.call({ method, path, headers, ...(body && { body: JSON.stringify(body) }) });
      return { status: answer.status, body: Buffer.from(answer.body, 'base64').toString() };
    });
    const page = await lambda.call({ method: 'GET', path: '/', headers: { ...passed, accept: 'text/html' } });
    expect(Buffer.from(page.body, 'base64').toString()).toContain('<title>');
    expect(page.headers['content-security-policy']).toContain(`connect-src 'self' ${s3.endpoint}`);
  } finally {
    await lambda.stop();
  }
});

test('in workerd', async () => {
  const variables: Variables = {
    TABLE: resources.TABLE,
    BUCKET: resources.BUCKET,
    QUEUE_URL: resources.QUEUE_URL,
    SIGNING_KEY,
    S3_ENDPOINT: s3.endpoint,
    SQS_ENDPOINT: sqs.endpoint,
    DYNAMODB_ENDPOINT: dynamo.endpoint,
    ACCESS_KEY_ID: AWS.credentials.accessKeyId,
    SECRET_ACCESS_KEY: AWS.credentials.secretAccessKey,
  };
  const workerd = await startWorkerd('./edge-worker.ts', { ...variables }, directory);
  try {
    await useApi(async ({ method, path, body }) => {
      const headers = { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' };
      const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
      const answer = await fetch(`${workerd.url}${path}`, init);
      return { status: answer.status, body: await answer.text() };
    });
  } finally {
    await workerd.stop();
  }
});
