import { beforeAll, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { AppError } from '../../../../shared/error.ts';
import type { EventType } from '../../../../shared/webhook-event.ts';
import { eventSchemas } from '../../../../shared/webhook-payload.ts';
import { bodyOf, claim, createService, submit, succeed, upload } from '../../../support/service.ts';

/** Needs of generators of clients from the document (test/clients runs them). */

interface Schema {
  $ref?: string;
  type?: string;
  format?: string;
  maximum?: number;
  properties?: Record<string, Schema>;
  items?: Schema;
}
interface Answer {
  headers?: Record<string, { $ref: string }>;
  content?: Record<string, { schema: Schema }>;
}
interface Operation {
  operationId: string;
  security?: unknown[];
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, Answer>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  webhooks: Record<string, { post: Operation }>;
  components: { schemas: Record<string, Schema>; headers: Record<string, { schema: Schema }> };
}

let document: Document;
beforeAll(async () => {
  const service = await createService();
  document = await bodyOf<Document>(service.app.request('/openapi.json'));
  await service.close();
});

const operations = () => Object.values(document.paths).flatMap((item) => Object.values(item));
const find = (id: string) => operations().find(({ operationId }) => operationId === id)!;
const headersOf = (id: string, status: number) => Object.keys(find(id).responses[status]?.headers ?? {});

test('every operation has an id of its own, and keeps it', () => {
  const ids = [...operations(), ...Object.values(document.webhooks).map(({ post }) => post)].map(
    (each) => each.operationId,
  );
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z]+$/);
  // Clients that were generated earlier call these.
  expect(ids.sort()).toEqual([
    'cancelBatch',
    'cancelJob',
    'createBatch',
    'createClientToken',
    'createJob',
    'createKey',
    'createQuote',
    'createTags',
    'createUpload',
    'createWebhookEndpoint',
    'deleteJob',
    'deleteWebhookEndpoint',
    'disableWebhookEndpoint',
    'enableWebhookEndpoint',
    'getBalance',
    'getBatch',
    'getJob',
    'getJobEventsLink',
    'getJobHeatmap',
    'getJobHeatmapLink',
    'getJobLivePreview',
    'getJobLivePreviewLink',
    'getJobOutput',
    'getJobOutputLink',
    'getJobOutputWebp',
    'getJobOutputWebpLink',
    'getJobPhoto',
    'getJobPhotoLink',
    'getJobPhotoWebp',
    'getJobPhotoWebpLink',
    'getJobReceipt',
    'getLiveness',
    'getMetrics',
    'getOpenApiDocument',
    'getOwnKey',
    'getReadiness',
    'getUsage',
    'getWebhookEndpoint',
    'getWebhookEndpointSecrets',
    'getWelcome',
    'listJobs',
    'listKeys',
    'listModels',
    'listReceiptKeys',
    'listWebhookDeliveries',
    'listWebhookEndpoints',
    'onBatchCompleted',
    'onJobCanceled',
    'onJobExpired',
    'onJobFailed',
    'onJobProgressed',
    'onJobStarted',
    'onJobSucceeded',
    'onWebhookPing',
    'pingWebhookEndpoint',
    'replayWebhookDelivery',
    'revokeKey',
    'rotateKey',
    'rotateWebhookEndpointSecret',
    'streamJobEvents',
  ]);
});

test('every answer has a name, and so has every part of it', () => {
  for (const { operationId, responses } of operations()) {
    for (const [status, { content = {} }] of Object.entries(responses)) {
      for (const [type, { schema }] of Object.entries(content)) {
        if (type.endsWith('json'))
          expect([operationId, status, schema.$ref]).toEqual([operationId, status, expect.any(String)]);
      }
    }
  }
  const anonymous: string[] = [];
  const look = (schema: Schema, at: string, isTop = false) => {
    if (schema.properties && !isTop) anonymous.push(at);
    for (const [name, inner] of Object.entries(schema.properties ?? {})) look(inner, `${at}.${name}`);
    if (schema.items) look(schema.items, `${at}[]`);
  };
  for (const [name, schema] of Object.entries(document.components.schemas)) look(schema, name, true);
  expect(anonymous).toEqual([]);
  expect(JSON.stringify(document)).not.toMatch(/"id":"[A-Z]/);
});

test('every integer tells its width, and money has 64 bits', () => {
  const { Balance, Charge, Quote, Key, Problem, ModelPrice, UsageRow } = document.components.schemas;
  const body = find('createKey').requestBody!.content['application/json']!.schema;
  const money = [
    Balance!.properties!.balance,
    Charge!.properties!.amount,
    Quote!.properties!.price,
    Key!.properties!.spent,
    Key!.properties!.spend_cap,
    Problem!.properties!.needed,
    ModelPrice!.properties!.minimum,
    UsageRow!.properties!.captured,
    body.properties!.spend_cap,
    find('createJob').requestBody!.content['application/json']!.schema.properties!.max_price,
    document.components.headers['X-Credits-Reserved']!.schema,
  ];
  for (const schema of money) expect(schema).toMatchObject({ type: 'integer', format: 'int64' });
  const all: Schema[] = [];
  const look = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if ((node as Schema).type === 'integer') all.push(node as Schema);
    Object.values(node).forEach(look);
  };
  look(document);
  expect(all.length).toBeGreaterThan(50);
  for (const { format, maximum = Infinity } of all) expect(format).toBe(maximum < 2 ** 31 ? 'int32' : 'int64');
  // A seed has 32 bits without a sign.
  expect(find('createJob').requestBody!.content['application/json']!.schema.properties!.seed).toMatchObject({
    format: 'int64',
  });
});

test('files are told as files, and URLs as JSON', () => {
  for (const what of ['Output', 'Heatmap', 'LivePreview', 'Photo']) {
    const { responses } = find(`getJob${what}`);
    expect(Object.keys(responses)).not.toContain('302');
    const file = { schema: { type: 'string', format: 'binary' } };
    expect(responses[200]!.content).toEqual({ 'application/octet-stream': file, 'image/*': file });
    expect(headersOf(`getJob${what}`, 200)).toEqual(
      expect.arrayContaining(['ETag', 'Accept-Ranges', 'Content-Disposition']),
    );
    expect(Object.keys(find(`getJob${what}Link`).responses[200]!.content!)).toEqual(['application/json']);
  }
});

test('headers of answers are stated', () => {
  expect(headersOf('createJob', 202)).toEqual(
    expect.arrayContaining([
      'Location',
      'Retry-After',
      'X-Credits-Reserved',
      'Idempotent-Replayed',
      'RateLimit',
      'X-Request-Id',
    ]),
  );
  expect(headersOf('getJob', 200)).toEqual(expect.arrayContaining(['ETag', 'Retry-After']));
  expect(headersOf('getJob', 304)).toContain('ETag');
  expect(headersOf('listJobs', 200)).toContain('Link');
  for (const { security, responses } of operations()) {
    if (!security) continue;
    expect(Object.keys(responses[429]!.headers!)).toEqual(
      expect.arrayContaining(['Retry-After', 'RateLimit', 'RateLimit-Policy']),
    );
    expect(Object.keys(responses[401]!.headers!)).toContain('WWW-Authenticate');
  }
  const asked = (id: string) =>
    find(id)
      .parameters!.filter((each) => each.in === 'header')
      .map(({ name }) => name);
  expect(asked('getJob')).toEqual(['if-none-match']);
  expect(asked('createJob')).toEqual(
    expect.arrayContaining(['idempotency-key', 'prefer', 'cancel-after', 'traceparent']),
  );
});

test('answers have the headers that the document states', async () => {
  const service = await createService();
  const job = await submit(service);
  const etag = (await service.call('GET', `/v1/jobs/${job.id}`)).headers.get('ETag')!;
  const running = await submit(service);
  await claim(service, running.id);
  const answers: [string, Response][] = [
    ['getJob', await service.call('GET', `/v1/jobs/${job.id}`, { headers: { 'If-None-Match': etag } })],
    ['getJob', await service.call('GET', `/v1/jobs/${job.id}`)],
    ['cancelJob', await service.call('POST', `/v1/jobs/${running.id}/cancel`)],
  ];
  const limits = ['RateLimit', 'RateLimit-Policy']; // this service has none
  for (const [id, response] of answers) {
    for (const name of headersOf(id, response.status)) {
      if (!limits.includes(name)) expect([id, name, response.headers.has(name)]).toEqual([id, name, true]);
    }
  }
  await service.close();
});

describe('webhooks', () => {
  test('all of them are described, with their headers', () => {
    expect(Object.keys(document.webhooks)).toEqual([...eventSchemas.keys()]);
    for (const [type, { post }] of Object.entries(document.webhooks)) {
      expect(post.parameters!.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['webhook-id', 'webhook-timestamp', 'webhook-signature']),
      );
      const name = post.requestBody!.content['application/json']!.schema.$ref!.split('/').at(-1)!;
      expect(document.components.schemas[name]!.properties!.type).toMatchObject({ enum: [type] });
    }
  });

  test('real deliveries are as described, and nothing is left out', async () => {
    const outbound = { check: () => {}, fetch: () => Promise.reject(new Error('Nothing is sent here.')) };
    const service = await createService({ outbound });
    const events = [...eventSchemas.keys()].filter((type) => type !== 'webhook.ping');
    const endpoint = { json: { url: 'https://receiver.example/hook', events } };
    const { id } = await bodyOf<{ id: string }>(service.call('POST', '/v1/webhook_endpoints', endpoint));
    await service.call('POST', `/v1/webhook_endpoints/${id}/ping`);
    await succeed(service, (await submit(service, undefined, { client_reference: 'mine' })).id);
    await service.call('POST', `/v1/jobs/${(await submit(service)).id}/cancel`);
    const failing = (await submit(service)).id;
    const attempt = await claim(service, failing);
    const progress = { percent: 1, stage: 'upscale', tile: 1, tiles: 9 } as const;
    await service.state.updateJob(failing, { type: 'progress', attempt, progress });
    const error = new AppError('image-unreadable', 'It is damaged.');
    await service.state.updateJob(failing, { type: 'fail', attempt, error });
    const items = [{ input: { upload_id: await upload(service) } }];
    const batch = await bodyOf<{ jobs: { id: string }[] }>(service.call('POST', '/v1/batches', { json: { items } }));
    await succeed(service, batch.jobs[0]!.id);

    const { deliveries } = await service.state.listDeliveries({ account: 'acc_one', test: false, limit: 100 });
    for (const { type, body } of deliveries) {
      const schema = eventSchemas.get(type as EventType)!;
      // Strict: undescribed fields are refused.
      const strict = schema.extend({ data: (schema.shape.data as z.ZodObject).strict() }).strict();
      expect([type, strict.safeParse(JSON.parse(body!)).error?.issues]).toEqual([type, undefined]);
    }
    expect(new Set(deliveries.map(({ type }) => type))).toEqual(
      new Set([
        'webhook.ping',
        'job.started',
        'job.progressed',
        'job.succeeded',
        'job.failed',
        'job.canceled',
        'batch.completed',
      ]),
    );
    await service.close();
  });
});
