import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createEngine, type Engine } from '../../../../gpu-worker/engine.ts';
import { shrink } from '../../../../gpu-worker/images/enlarge.ts';
import { runWorker } from '../../../../gpu-worker/worker/worker.ts';
import type { JobView } from '../../../../shared/api.ts';
import { PRICE_LISTS } from '../../../../shared/pricing.ts';
import { bodyOf, createService, pngOf, type Service, upload } from '../../../support/service.ts';

/** Test keys, from the API through queue and real worker; and, as their jobs are quick, the order of accounts. */

let service: Service;
let directory: string;
let engine: Engine;
let drain: AbortController;
let worker: Promise<void> | undefined;
beforeEach(async () => {
  service = await createService({ prices: PRICE_LISTS.standard });
  directory = await mkdtemp(join(tmpdir(), 'seesr-test-mode-'));
  engine = createEngine({ device: 'cpu', modelsDirectory: join(directory, 'models'), log: service.log });
  drain = new AbortController();
  worker = undefined;
});
afterEach(async () => {
  drain.abort();
  await worker;
  await engine.close();
  await service.close();
  await rm(directory, { recursive: true, force: true });
});

function startWorker(): void {
  const { state, objects, queue, limits, log } = service;
  worker = runWorker(
    { state, objects, queue, engine, limits, log, scratchDirectory: directory, pulseMilliseconds: 20 },
    drain.signal,
  );
}

async function testKey(account: string): Promise<string> {
  const { secret } = await service.newKey(account);
  const response = service.call('POST', '/v1/keys', { json: { name: 'test', test: true }, key: secret });
  return (await bodyOf<{ key: string }>(response)).key;
}

async function submit(key: string, upload_id: string, more: object = {}): Promise<string> {
  const response = await service.call('POST', '/v1/jobs', { json: { input: { upload_id }, ...more }, key });
  if (response.status !== 202) throw new Error(await response.text());
  return (await bodyOf<JobView>(response)).id;
}

async function end(key: string, id: string): Promise<JobView> {
  const poll = () => bodyOf<JobView>(service.call('GET', `/v1/jobs/${id}`, { key }));
  await expect.poll(async () => (await poll()).terminal).toBe(true);
  return poll();
}

test('a job of a test key is enlarged by a filter, says so, costs nothing, and is the same again', async () => {
  startWorker();
  const key = await testKey('acc_one');
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 5 };
  const photo = await sharp({ create: { width: 40, height: 20, channels: 3, background: '#000', noise } })
    .png()
    .toBuffer();
  const uploadId = await upload(service, photo, key);
  const job = await end(key, await submit(key, uploadId));
  expect(job).toMatchObject({ status: 'succeeded', test: true, charge: { state: 'captured', amount: 0 } });
  expect(job.notes).toEqual(expect.arrayContaining([expect.stringContaining('Test key')]));
  const bytesOf = async ({ id }: JobView) => {
    const stored = await service.objects.get((await service.state.getJob(id))!.output!.key);
    return Buffer.from(await new Response(stored!.body).arrayBuffer());
  };
  const result = await sharp(await bytesOf(job))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([result.info.width, result.info.height]).toEqual([160, 80]);
  const small = shrink(result.data, { width: 40, height: 20, channels: 3 });
  const pixels = await sharp(photo).raw().toBuffer();
  const differences = Array.from(pixels, (value, index) => Math.abs(value - small[index]! / 16));
  // The filter keeps the means of 4 × 4, to rounding; a network does not.
  expect(differences.reduce((sum, each) => sum + each, 0) / pixels.length).toBeLessThan(1);
  const other = await end(key, await submit(key, uploadId, { model: 'real-esrgan-fast' }));
  expect(other.output!.sha256).toBe(job.output!.sha256);
});

test('one job of a tenant waits for two of another at the most, however many those are', async () => {
  const [many, one] = [await testKey('acc_one'), await testKey('acc_two')];
  const file = await pngOf(8, 8);
  const uploadOfMany = await upload(service, file, many);
  const uploadOfOne = await upload(service, file, one);
  for (let i = 0; i < 50; i++) await submit(many, uploadOfMany);
  startWorker();
  const events = () => service.lines.map((line) => JSON.parse(line) as { event: string; job?: string });
  const ended = () => events().filter(({ event }) => event === 'attempt.ended').length;
  await expect.poll(ended, { interval: 5 }).toBeGreaterThan(3);
  const id = await submit(one, uploadOfOne);
  const accepted = service.lines.length;
  expect(ended()).toBeLessThan(45); // there is a queue to be unfair in
  await end(one, id);
  const since = events().slice(accepted);
  const started = since.findIndex(({ event, job }) => event === 'attempt.started' && job === id);
  expect(started).toBeGreaterThanOrEqual(0);
  const waitedFor = since.slice(0, started).filter(({ event }) => event === 'attempt.ended');
  expect(waitedFor.length).toBeLessThanOrEqual(2);
});
