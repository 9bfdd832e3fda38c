import type { z } from '@hono/zod-openapi';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { notifyOnce } from '../../../../functions/notify/notify.ts';
import { createGuardedFetch } from '../../../../shared/adapters/node/guarded-fetch.ts';
import type { batchViewSchema } from '../../../../shared/batch-api.ts';
import { startReceiver } from '../../../support/receiver.ts';
import {
  announce,
  bodyOf,
  createService,
  pngOf,
  problemOf,
  type Service,
  succeed,
  upload,
} from '../../../support/service.ts';

type BatchView = z.output<typeof batchViewSchema>;

let service: Service;
const receivers: { close(): void }[] = [];
const exempt: string[] = [];
beforeEach(async () => {
  service = await createService({ outbound: createGuardedFetch({ allowHttp: false, allowHosts: exempt }) });
});
afterEach(async () => {
  for (const receiver of receivers.splice(0)) receiver.close();
  exempt.splice(0);
  await service.close();
});

const post = (json: object, headers?: Record<string, string>) =>
  service.call('POST', '/v1/batches', { json, ...(headers && { headers }) });
const get = (id: string) => bodyOf<BatchView>(service.call('GET', `/v1/batches/${id}`));
const jobOf = async (id: string) => (await service.state.getJob(id))!;
const allJobs = async () => (await service.state.listJobs({ account: 'acc_one', limit: 100 })).jobs;
const inputs = async (count: number) =>
  Promise.all(Array.from({ length: count }, async () => ({ input: { upload_id: await upload(service) } })));

describe('POST /v1/batches', () => {
  test('makes a job of each item, its parameters over the common ones, in their order', async () => {
    const [first, second] = await inputs(2);
    const base64 = Buffer.from(await pngOf(30, 20)).toString('base64');
    const awaited = { upload_id: await announce(service, await pngOf(20, 10)) };
    const response = await post({
      items: [{ ...first, client_reference: 'a' }, { ...second, scale: 2 }, { input: { base64 } }, { input: awaited }],
      parameters: { model: 'real-esrgan-fast', format: 'jpeg', denoise: 0.2 },
      retention_hours: 5,
    });
    expect(response.status).toBe(201);
    const batch = await bodyOf<BatchView>(response);
    expect(batch).toMatchObject({ job_count: 4, counts: { succeeded: 0, failed: 0, canceled: 0, expired: 0 } });
    expect(batch.jobs.map(({ status }) => status)).toEqual(['queued', 'queued', 'queued', 'awaiting_upload']);
    expect(batch.jobs[0]?.client_reference).toBe('a');
    const jobs = await Promise.all(batch.jobs.map(({ id }) => jobOf(id)));
    expect(jobs.map(({ parameters }) => parameters.scale)).toEqual([4, 2, 4, 4]);
    for (const { parameters, retention_hours, batch_id } of jobs) {
      expect(parameters).toMatchObject({ model: 'real-esrgan-fast', format: 'jpeg', denoise: 0.2, quality: 90 });
      expect([retention_hours, batch_id]).toEqual([5, batch.id]);
    }
    expect((await service.queue.depth()).visible).toBe(3);
    expect(await get(batch.id)).toEqual(batch);
  });

  test('takes all or none, and says which item is wrong', async () => {
    const [good] = await inputs(1);
    const huge = { upload_id: await upload(service, await pngOf(200, 100)) };
    for (const [bad, code, pointer] of [
      [{ input: { upload_id: 'upl_none' } }, 'not-found', '#/items/1/input/upload_id'],
      [{ ...good, denoise: 0.5, model: 'real-esrgan' }, 'invalid', '#/items/1/denoise'],
      [{ ...good, scale: 5 }, 'invalid', '#/items/1/scale'],
      [{ ...good, unknown: 1 }, 'invalid', '#/items/1/unknown'],
      [{ input: huge }, 'image-too-large', '#/items/1'],
      [{ input: { url: 'https://10.0.0.1/' } }, 'url-refused', '#/items/1'],
      [{}, 'invalid', '#/items/1/input'],
    ] as const) {
      const problem = await problemOf(await post({ items: [good, bad] }));
      expect(problem.code).toBe(code);
      expect(problem.errors?.map((error) => error.pointer)).toContain(pointer);
    }
    expect(await allJobs()).toEqual([]);
  });

  test.each([0, 101])('refuses %s items', async (count) => {
    const [item] = await inputs(1);
    const problem = await problemOf(await post({ items: Array.from({ length: count }, () => item) }));
    expect(problem).toMatchObject({ status: 422, errors: [{ pointer: '#/items' }] });
  });

  test('takes a hundred', async () => {
    const [item] = await inputs(1);
    const batch = await bodyOf<BatchView>(post({ items: Array.from({ length: 100 }, () => item) }));
    expect((await get(batch.id)).jobs).toHaveLength(100);
  });

  test('a repeat with its Idempotency-Key gets the same bytes and creates nothing', async () => {
    const json = { items: await inputs(2) };
    const answers = await Promise.all([1, 2, 3].map(() => post(json, { 'Idempotency-Key': 'once' })));
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    expect(new Set(texts).size).toBe(1);
    expect(await allJobs()).toHaveLength(2);
    const other = await post({ items: json.items.slice(1) }, { 'Idempotency-Key': 'once' });
    expect((await problemOf(other)).code).toBe('idempotency-key-reused');
  });
});

describe('GET /v1/batches/{id}', () => {
  test('tells how the jobs are, to its account only', async () => {
    const { id, jobs } = await bodyOf<BatchView>(post({ items: await inputs(2) }));
    await succeed(service, jobs[1]!.id);
    expect(await get(id)).toMatchObject({
      counts: { succeeded: 1 },
      jobs: [{ status: 'queued' }, { status: 'succeeded' }],
    });
    const { secret: key } = await service.newKey('acc_two');
    expect((await service.call('GET', `/v1/batches/${id}`, { key })).status).toBe(404);
    expect((await service.call('GET', `/v1/batches/bat_${'0'.repeat(26)}`)).status).toBe(404);
  });
});

test('one webhook tells of the whole, when the last job has ended', async () => {
  const receiver = await startReceiver(200);
  receivers.push(receiver);
  exempt.push(receiver.host);
  const endpoint = { url: receiver.url };
  await service.call('POST', '/v1/webhook_endpoints', { json: endpoint });
  const webhook = { url: `${receiver.url}/own` };
  const { id, jobs } = await bodyOf<BatchView>(post({ items: await inputs(3), webhook }));
  const deliver = async () => {
    while (await notifyOnce({ ...service, outbound: service.outbound! }));
  };
  for (const job of jobs.slice(1)) await succeed(service, job.id);
  await deliver();
  expect(receiver.received).toEqual([]);
  await service.call('POST', `/v1/jobs/${jobs[0]!.id}/cancel`);
  await deliver();
  expect(receiver.received.map(({ path }) => path).toSorted()).toEqual(['/hook', '/hook/own']);
  for (const { body } of receiver.received) {
    expect(JSON.parse(body)).toMatchObject({
      type: 'batch.completed',
      data: { id, job_count: 3, counts: { succeeded: 2, canceled: 1 } },
    });
  }
});

describe('POST /v1/batches/{id}/cancel', () => {
  const cancel = (id: string, key?: string) => service.call('POST', `/v1/batches/${id}/cancel`, key ? { key } : {});

  test('cancels unfinished jobs, says how many, and may be repeated', async () => {
    const items = [...(await inputs(3)), { input: { upload_id: await announce(service, await pngOf(5, 5)) } }];
    const { id, jobs } = await bodyOf<BatchView>(post({ items }));
    await succeed(service, jobs[0]!.id);
    const { attempt } = await service.state.updateJob(jobs[1]!.id, { type: 'claim' });
    expect(await bodyOf(cancel(id))).toEqual({ id, canceled: 2, stopping: 1, ended: 1 });
    const ends = ['succeeded', 'starting', 'canceled', 'canceled'];
    expect((await get(id)).jobs.map(({ status }) => status)).toEqual(ends);
    await service.state.updateJob(jobs[1]!.id, { type: 'give_back', attempt });
    await service.call('DELETE', `/v1/jobs/${jobs[0]!.id}`);
    expect(await bodyOf(cancel(id))).toEqual({ id, canceled: 0, stopping: 0, ended: 4 });
    expect(await get(id)).toMatchObject({ counts: { succeeded: 1, canceled: 3 }, finished_at: expect.any(String) });
  });

  test('is not for others, nor for keys that may not cancel', async () => {
    const { id } = await bodyOf<BatchView>(post({ items: await inputs(1) }));
    expect((await cancel(id, (await service.newKey('acc_two')).secret)).status).toBe(404);
    expect((await cancel(id, (await service.newKey('acc_one', ['jobs:read'])).secret)).status).toBe(403);
    expect((await get(id)).jobs[0]!.status).toBe('queued');
  });
});
