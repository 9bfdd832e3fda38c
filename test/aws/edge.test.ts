import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ORIGIN_SECRET_HEADER } from '../../functions/api/origin-secret.ts';
import { bundleFunction } from '../../infra/function-bundle.ts';
import { createLocalKey, LOCAL_ACCOUNT } from '../../local/account.ts';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import { MAX_RECEIVES } from '../../shared/limits.ts';
import { SHIPPED_IDS } from '../../shared/methods/registry.ts';
import { AWS, type AwsServer, createQueues, startElasticMq, startVersityGateway } from '../support/aws-servers.ts';
import { createStateTable, type DynamoServer, startDynamoDbLocal } from '../support/dynamodb-local.ts';
import type { Variables } from '../support/edge-worker.ts';
import { startLambda } from '../support/lambda.ts';
import { type LambdaFunction, startFunction } from '../support/lambda-emulator.ts';
import { startWorkerd } from '../support/workerd.ts';

/**
 * The API as its bundles are, in the two runtimes of the edge: Lambda, whose interface is emulated, and workerd. The
 * stores are those of the other suites.
 */

type Call = (request: { method: string; path: string; body?: object }) => Promise<{ status: number; body: string }>;

const SIGNING_KEY = JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
/** Every cold start of the API reads it. */
const MAX_BUNDLE_BYTES = 850_000;
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

/** Upload by the signed URL, submit before and after the file has come, read, cancel; each answer as `createApp` gives it anywhere. */
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
  const early = await json('POST', '/v1/jobs', { input: { upload_id: upload.id }, model: 'real-esrgan' });
  expect(early).toMatchObject({ http: 202, status: 'awaiting_upload' });
  expect(await json('POST', `/v1/jobs/${early.id}/cancel`)).toMatchObject({ http: 200, status: 'canceled' });
  const sent = await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: new Uint8Array(photo) });
  expect(sent.status).toBe(200);
  const job = await json('POST', '/v1/jobs', { input: { upload_id: upload.id }, model: 'real-esrgan' });
  expect(job).toMatchObject({ input: { width: 24, height: 16 }, charge: { state: 'reserved' } });
  expect(await json('GET', `/v1/jobs/${job.id}`)).toMatchObject({ http: 200, status: 'queued' });
  expect(await json('POST', `/v1/jobs/${job.id}/cancel`)).toMatchObject({ charge: { state: 'released' } });
  expect(await json('GET', '/v1/jobs/job_none')).toMatchObject({ http: 404 });
  expect(await json('GET', '/v1/balance')).toMatchObject({ balance: 1_000_000 });
}

function lambdaEnvironment(): Record<string, string> {
  return {
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
    MODELS: SHIPPED_IDS.join(','),
    SIGNING_KEY,
    ORIGIN_SECRET,
    LOG_LEVEL: 'error',
  };
}

test('in Lambda: one bundle, behind the secret of the distribution, with the website', async () => {
  const bundle = await bundleFunction('api', directory);
  expect((await stat(join(bundle, 'index.mjs'))).size).toBeLessThan(MAX_BUNDLE_BYTES);
  const lambda = await startLambda(join(bundle, 'index.mjs'), lambdaEnvironment());
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

describe.each([
  { padding: 'off', body: '' },
  { padding: 'on', body: ' ' },
])('in the runtime that AWS itself has, with PAD_EMPTY_ANSWERS=$padding', ({ padding, body }) => {
  let lambda: LambdaFunction;
  let job: { id: string; version: number };
  const call = (method: string, path: string, more: Record<string, string> = {}, json?: object) =>
    lambda.call({
      method,
      path,
      headers: {
        [ORIGIN_SECRET_HEADER.toLowerCase()]: ORIGIN_SECRET,
        'x-api-key': key,
        ...(json && { 'content-type': 'application/json' }),
        ...more,
      },
      ...(json && { body: JSON.stringify(json) }),
    });

  beforeAll(async () => {
    lambda = await startFunction({
      directory: await bundleFunction('api', await mkdtemp(join(directory, 'bundle-'))),
      handler: 'index.handler',
      timeoutSeconds: 60,
      environment: { ...lambdaEnvironment(), PAD_EMPTY_ANSWERS: padding },
    });
    const photo = { content_type: 'image/png', bytes: 100 };
    const upload_id = JSON.parse((await call('POST', '/v1/uploads', {}, photo)).body.toString()).id;
    const submitted = await call('POST', '/v1/jobs', {}, { input: { upload_id } });
    await call('POST', `/v1/jobs/${JSON.parse(submitted.body.toString()).id}/cancel`);
    job = JSON.parse((await call('GET', `/v1/jobs/${JSON.parse(submitted.body.toString()).id}`)).body.toString());
  });
  afterAll(() => lambda?.close());

  test('answers with a body are as they are', async () => {
    const missing = await call('GET', '/v1/jobs/job_none');
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.body.toString())).toMatchObject({ code: 'not-found' });
    const events = await call('GET', `/v1/jobs/${job.id}/events`);
    expect(events.body.toString()).toMatch(/^retry: 3000\n\nevent: end\n/);
    const page = await call('GET', '/', { accept: 'text/html' });
    expect(page.body.toString()).toMatch(/<\/html>\s*$/);
  });

  test('answers without a body have their status and headers, and end', async () => {
    const path = `/v1/jobs/${job.id}`;
    const etag = `W/"j${job.version}"`;
    const unchanged = await call('GET', path, { 'if-none-match': etag });
    expect(unchanged).toMatchObject({ status: 304, headers: { etag } });
    const head = await call('HEAD', path);
    expect(head).toMatchObject({ status: 200, headers: { etag } });
    const preflight = await call('OPTIONS', '/v1/jobs', {
      origin: 'https://shop.example',
      'access-control-request-method': 'POST',
    });
    expect(preflight).toMatchObject({ status: 204, headers: { 'access-control-allow-origin': expect.any(String) } });
    const seen = await call('GET', `${path}/events`, { 'last-event-id': String(job.version) });
    expect(seen.status).toBe(204);
    const deleted = await call('DELETE', path);
    expect(deleted.status).toBe(204);
    for (const answer of [unchanged, head, preflight, seen, deleted]) expect(answer.body.toString()).toBe(body);
  });

  test('a redirect says where to', async () => {
    const photo = await sharp({ create: { width: 24, height: 16, channels: 3, background: '#3060a0' } })
      .png()
      .toBuffer();
    const submitted = await call('POST', '/v1/jobs', {}, { input: { base64: photo.toString('base64') } });
    const { id } = JSON.parse(submitted.body.toString());
    const redirect = await call('GET', `/v1/jobs/${id}/photo`);
    expect(redirect).toMatchObject({ status: 302, headers: { location: expect.stringContaining(s3.endpoint) } });
    expect(redirect.body.toString()).toBe(body);
    const found = await fetch(redirect.headers.location!);
    expect(Buffer.from(await found.arrayBuffer())).toEqual(photo);
    await call('POST', `/v1/jobs/${id}/cancel`);
  });
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
