import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutBucketCorsCommand, S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createApp } from '../../functions/api/app.ts';
import { createWebsite } from '../../functions/api/website.ts';
import { runNotifier } from '../../functions/notify/notify.ts';
import { reap } from '../../functions/reap/reap.ts';
import { createEngine } from '../../gpu-worker/engine.ts';
import { runWorker } from '../../gpu-worker/worker/worker.ts';
import { createLocalKey, LOCAL_ACCOUNT } from '../../local/account.ts';
import { createHttpServer } from '../../local/http-server.ts';
import { readSigningKey } from '../../local/secrets.ts';
import { buildWebsite } from '../../local/website-files.ts';
import { BUCKET_CORS } from '../../shared/adapters/aws/bucket-cors.ts';
import { openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { createGuardedFetch } from '../../shared/adapters/node/guarded-fetch.ts';
import type { Client } from '../../shared/client.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { DEFAULT_LIMITS, MAX_RECEIVES } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { modelsNamed } from '../../shared/methods/registry.ts';
import { createMetrics } from '../../shared/metrics.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { createSigner } from '../../shared/signature.ts';
import { AWS, type AwsServer, createQueues, startElasticMq, startVersityGateway } from '../support/aws-servers.ts';
import { launchBrowser, type TestBrowser } from '../support/browser.ts';
import { createTestClient } from '../support/client.ts';
import { createStateTable, type DynamoServer, startDynamoDbLocal } from '../support/dynamodb-local.ts';
import { startReceiver } from '../support/receiver.ts';

/**
 * The whole product on S3 (versitygw), SQS (ElasticMQ) and DynamoDB (DynamoDB Local), as the functions and the worker put
 * it together. Not in it: Lambda, CloudFront, roles, and all that the servers do not check (see the suites of the
 * adapters).
 */

const CREDIT = 1_000_000; // micro-units

type Service = Awaited<ReturnType<typeof startService>>;

let s3: AwsServer;
let sqs: AwsServer;
let dynamo: DynamoServer;
let directory: string;
let browser: TestBrowser;
let service: Service;
const receivers: { close(): void }[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-aws-'));
  [s3, sqs, dynamo, browser] = await Promise.all([
    startVersityGateway(),
    startElasticMq(),
    startDynamoDbLocal(),
    launchBrowser('chromium'),
  ]);
});
afterAll(async () => {
  await service?.close();
  await browser?.close();
  for (const receiver of receivers) receiver.close();
  await Promise.all([s3?.close(), sqs?.close(), dynamo?.stop()]);
  await rm(directory, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

it('takes a photo from a page of another origin, restores it, bills it once and tells', async () => {
  const hook = await receiverOf(500, 204);
  service = await startService(hook.host);
  const { state, objects, queue, client, url, key } = service;
  const { secret } = await client.json<{ secret: string }>('/v1/webhook_endpoints', { method: 'POST', body: '{}' });
  const page = await openForeignPage();
  const photo = await sharp({ create: { width: 24, height: 16, channels: 3, background: '#3060a0' } })
    .png()
    .toBuffer();

  const { job, result } = await restoreInPage(page, { url, key, photo, hook: hook.url });
  const restored = Buffer.from(result, 'base64');
  const { width, height, format } = await sharp(restored).metadata();
  expect([width, height, format]).toEqual([96, 64, 'png']);
  expect(job).toMatchObject({ status: 'succeeded', attempt: 1, output: { bytes: restored.length } });
  expect((await client.output(job.id)).length).toBe(restored.length);

  await expect.poll(() => hook.received.length, { interval: 200 }).toBe(2);
  const { body, headers } = hook.received[1]!;
  expect(headers['webhook-id']).toBe(hook.received[0]!.headers['webhook-id']);
  const message = new Webhook(secret).verify(body, headers as Record<string, string>);
  expect(message).toMatchObject({ type: 'job.succeeded', data: { id: job.id } });

  const statement = await state.getStatement(LOCAL_ACCOUNT);
  expect(findLedgerProblems(statement)).toEqual([]);
  expect(statement.entries.map(({ kind }) => kind)).toEqual(['top_up', 'reserve', 'capture']);
  expect(statement.balance).toBeLessThan(CREDIT);
  await expect.poll(() => queue.depth()).toEqual({ visible: 0, inFlight: 0 });

  const { input_key, output } = (await state.getJob(job.id))!;
  expect(await objects.head(input_key)).toEqual({ bytes: photo.length, contentType: 'image/png' });
  expect(await objects.head(output!.key)).toEqual({ bytes: restored.length, contentType: 'image/png' });
  const erased = await fetch(`${url}/v1/jobs/${job.id}`, {
    method: 'DELETE',
    headers: { Authorization: `Bearer ${key}` },
  });
  expect(erased.status).toBe(204);
  for (const gone of [input_key, output!.key]) await expect.poll(() => objects.head(gone)).toBeNull();
  expect(service.lines.filter((line) => /"level":"error"/.test(line))).toEqual([]);
});

it('lets a page send a form, and headers of tracing libraries, but nothing of the file that was not signed', async () => {
  const { objects, state, client } = service;
  const page = await openForeignPage();
  const announce = (method: 'PUT' | 'POST') =>
    client.json<Announced>('/v1/uploads', {
      method: 'POST',
      body: JSON.stringify({ bytes: 4, content_type: 'image/png', method }),
    });
  const form = await announce('POST');
  expect(await sendFormInPage(page, form)).toBe('201');
  const { key } = (await state.getUpload(form.id))!;
  expect(await objects.head(key)).toEqual({ bytes: 4, contentType: 'image/png' });

  const put = await announce('PUT');
  expect(await putInPage(page, put, { 'x-amz-meta-note': 'mine' })).toBe('403');
  expect(await putInPage(page, put, { baggage: 'a=b', 'sentry-trace': '0', 'x-request-id': '1' })).toBe('200');
});

/** API, worker, notifier and reaper in this process, on stores that are named by environment variables. */
async function startService(hookHost: string) {
  const variables = { ...(await createResources()), S3_PATH_STYLE: true };
  vi.stubEnv('AWS_REGION', AWS.region);
  vi.stubEnv('AWS_ACCESS_KEY_ID', AWS.credentials.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', AWS.credentials.secretAccessKey);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', s3.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_SQS', sqs.endpoint);
  vi.stubEnv('AWS_ENDPOINT_URL_DYNAMODB', dynamo.endpoint);
  const stores = openAwsStores(variables);
  const { state } = stores;
  const lines: string[] = [];
  const log = createLog('info', (line) => lines.push(line));
  const deps = {
    ...stores,
    signer: createSigner(readSigningKey(join(directory, 'signing-key.json'))),
    installedModels: modelsNamed(['real-esrgan-fast']),
    limits: DEFAULT_LIMITS,
    prices: PRICE_LISTS.standard,
    log,
    metrics: createMetrics(),
    now: Date.now,
    outbound: createGuardedFetch({ allowHttp: false, allowHosts: [hookHost] }),
  };
  const website = createWebsite(createApp(deps).fetch, { load: buildWebsite, storageOrigin: s3.endpoint });
  const server = createHttpServer(website.fetch);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { secret: key } = await createLocalKey(state, { name: 'test' });
  await state.topUp({ account: LOCAL_ACCOUNT, amount: CREDIT, payment: 'first' });

  const engine = createEngine({ device: 'cpu', modelsDirectory: join(directory, 'models'), log });
  const drain = new AbortController();
  const work = runWorker({ ...deps, engine, scratchDirectory: directory }, drain.signal);
  const notify = runNotifier(deps, drain.signal);
  const sweeping = setInterval(
    () => void reap(deps).catch((error: unknown) => log.error('reap.failed', { error })),
    1000,
  );
  return {
    ...stores,
    lines,
    url,
    key,
    client: createTestClient(url, key),
    async close() {
      clearInterval(sweeping);
      drain.abort();
      await Promise.all([work, notify]);
      await engine.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The resources that the infrastructure makes. */
async function createResources() {
  const [BUCKET, name] = ['photos', 'jobs'];
  const bucketClient = new S3Client({ ...AWS, endpoint: s3.endpoint, forcePathStyle: true });
  await bucketClient.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const { allowOrigins: AllowedOrigins, allowMethods: AllowedMethods, allowHeaders: AllowedHeaders } = BUCKET_CORS;
  const CORSRules = [{ AllowedOrigins, AllowedMethods, AllowedHeaders }];
  await bucketClient.send(new PutBucketCorsCommand({ Bucket: BUCKET, CORSConfiguration: { CORSRules } }));
  bucketClient.destroy();
  const queueClient = new SQSClient({ ...AWS, endpoint: sqs.endpoint });
  const { queue: QUEUE_URL, deadLetters: DEAD_LETTERS_URL } = await createQueues(queueClient, name, MAX_RECEIVES);
  queueClient.destroy();
  const { table: TABLE } = await createStateTable(dynamo.client);
  return { BUCKET, QUEUE_URL, DEAD_LETTERS_URL, TABLE };
}

async function receiverOf(...answers: Parameters<typeof startReceiver>) {
  const receiver = await startReceiver(...answers);
  receivers.push(receiver);
  return receiver;
}

/** Neither of the API's origin nor of the bucket's. */
async function openForeignPage(): Promise<Page> {
  const host = await receiverOf({ status: 200, headers: { 'Content-Type': 'text/html' }, body: '<title>shop</title>' });
  const page = await browser.open();
  await page.goto(host.url);
  return page;
}

interface Announced {
  id: string;
  url: string;
  headers: Record<string, string>;
  fields?: Record<string, string>;
}

type GlobalWithClient = typeof globalThis & { client?: Client };

/** By the client that the service gives to pages: upload to the bucket, job, result from the bucket. */
async function restoreInPage(page: Page, given: { url: string; key: string; photo: Buffer; hook: string }) {
  const options = JSON.stringify({ baseUrl: given.url, key: given.key });
  const content = `import { createClient } from '${given.url}/client.js'; globalThis.client = createClient(${options});`;
  await page.addScriptTag({ type: 'module', content });
  await page.waitForFunction(() => (globalThis as GlobalWithClient).client);
  return page.evaluate(
    async ({ photo, hook }) => {
      const file = await (await fetch(`data:image/png;base64,${photo}`)).blob();
      const webhook = { url: hook, events: ['job.succeeded' as const] };
      const { client } = globalThis as GlobalWithClient;
      const { job, result } = await client!.restore(file, { model: 'real-esrgan-fast', webhook });
      const bytes = new Uint8Array(await result.arrayBuffer());
      return { job, result: btoa(String.fromCharCode(...bytes)) };
    },
    { photo: given.photo.toString('base64'), hook: given.hook },
  );
}

function sendFormInPage(page: Page, upload: Announced): Promise<string> {
  return page.evaluate(async ({ url, fields }) => {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields ?? {})) body.append(name, value);
    body.append('file', new Blob(['1234']));
    return String((await fetch(url, { method: 'POST', body })).status);
  }, upload);
}

/** The status, or the error of `fetch`. */
function putInPage(page: Page, upload: Announced, headers: Record<string, string>): Promise<string> {
  return page.evaluate(
    ({ url, headers }) =>
      fetch(url, { method: 'PUT', headers, body: new Blob(['1234']) }).then(({ status }) => `${status}`, String),
    { url: upload.url, headers: { ...upload.headers, ...headers } },
  );
}
