import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createTestClient } from '../../support/client.ts';
import { type Answer, startReceiver } from '../../support/receiver.ts';
import { type ServiceProcess, startServiceProcess } from '../../support/service-process.ts';

/** The program in a process of its own, and a receiver that it reaches over the network. */

let directory: string;
const running: { kill(signal: NodeJS.Signals): Promise<void> }[] = [];
const receivers: { close(): void }[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-hooks-'));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.kill('SIGKILL')));
  for (const receiver of receivers.splice(0)) receiver.close();
  await rm(directory, { recursive: true, force: true });
});

async function start(environment: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await startServiceProcess(directory, environment);
  running.push(service);
  return service;
}
async function receiverOf(...answers: Answer[]) {
  const receiver = await startReceiver(...answers);
  receivers.push(receiver);
  return receiver;
}
const photo = () =>
  sharp({ create: { width: 24, height: 16, channels: 3, background: '#3060a0' } })
    .png()
    .toBuffer();
const register = { method: 'POST', body: '{}' };

test('fetches the photo, restores it, puts the result where the caller wants it, and tells', async () => {
  const source = await receiverOf({ status: 200, headers: { 'Content-Type': 'image/png' }, body: await photo() });
  const target = await receiverOf(201);
  const hook = await receiverOf(500, 204);
  const FETCH_ALLOW_HOSTS = [source.host, target.host, hook.host].join();
  const service = await start({ FETCH_ALLOW_HOSTS });
  const client = createTestClient(service.url, service.firstKey!);
  const { secret } = await client.json<{ secret: string }>('/v1/webhook_endpoints', register);
  const job = await client.submit({
    input: { url: source.url },
    model: 'real-esrgan-fast',
    deliver: { url: target.url },
    webhook: { url: hook.url, events: ['job.succeeded'] },
  });
  expect((await client.end(job.id)).status).toBe('succeeded');
  await expect.poll(() => target.received.length).toBe(1);
  const result = await client.output(job.id);
  expect(Buffer.from(target.received[0]!.body, 'latin1').equals(result)).toBe(true);
  await expect.poll(() => hook.received.length, { interval: 200 }).toBe(2);
  const [first, second] = hook.received as [(typeof hook.received)[number], (typeof hook.received)[number]];
  expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
  const headers = second.headers as Record<string, string>;
  expect(new Webhook(secret).verify(second.body, headers)).toMatchObject({
    type: 'job.succeeded',
    data: { id: job.id },
  });
  await expect.poll(async () => (await client.job(job.id)).delivery).toEqual({ status: 'delivered' });
});

test('killed while a receiver hangs, it sends the same message after the next start', async () => {
  const hook = await receiverOf('hang', 200);
  const environment = { FETCH_ALLOW_HOSTS: hook.host };
  const first = await start(environment);
  const key = first.firstKey!;
  const json = { method: 'POST', body: JSON.stringify({ url: hook.url }) };
  const { id } = await createTestClient(first.url, key).json<{ id: string }>('/v1/webhook_endpoints', json);
  await createTestClient(first.url, key).json(`/v1/webhook_endpoints/${id}/ping`, register);
  await expect.poll(() => hook.received.length).toBe(1);
  await first.kill('SIGKILL');
  const client = createTestClient((await start(environment)).url, key);
  await expect.poll(() => hook.received.length).toBe(2);
  expect(hook.received[1]?.headers['webhook-id']).toBe(hook.received[0]?.headers['webhook-id']);
  const log = () => client.json<{ data: { status: string }[] }>('/v1/webhook_deliveries');
  await expect.poll(async () => (await log()).data.map(({ status }) => status)).toEqual(['delivered']);
});

test('reaches nothing private unless it is told to', async () => {
  const hook = await receiverOf(200);
  const service = await start({ ALLOW_HTTP_FETCH: 'true' });
  const client = createTestClient(service.url, service.firstKey!);
  for (const url of [hook.url, 'http://localhost/', service.url]) {
    const problem = await client.post<{ code?: string; id?: string }>('/v1/jobs', { input: { url } });
    if (problem.id) expect((await client.end(problem.id)).error?.code).toBe('url-refused');
    else expect(problem.code).toBe('url-refused');
  }
  expect(hook.received).toEqual([]);
});
