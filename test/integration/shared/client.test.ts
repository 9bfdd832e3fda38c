import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { createClient, isApiError, type JobView } from 'seesr-cloud/client';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../../local/config.ts';
import { type Service, startService } from '../../../local/service.ts';
import { createLog } from '../../../shared/log.ts';

/** The client in Node, against the whole service over HTTP. */

const DOG = new URL('../../../local/demo-photo/dog.jpg', import.meta.url);

let directory: string;
let service: Service;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-client-'));
  const config = readConfig({ DATA_DIR: directory, MODELS_DIR: join(directory, 'models'), PORT: '0', DEVICE: 'cpu' });
  service = await startService(
    config,
    createLog('silent', () => {}),
  );
});
afterAll(async () => {
  await service?.close();
  await rm(directory, { recursive: true, force: true });
});

const client = () => createClient({ baseUrl: service.url, key: () => service.firstKey! });
const photo = async (): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await readFile(DOG));
const large = async () =>
  new Blob(
    [
      new Uint8Array(
        await sharp(await photo())
          .resize(1200, 900)
          .png()
          .toBuffer(),
      ),
    ],
    { type: 'image/png' },
  );

test('a photo’s whole way in one call', async () => {
  const seen: JobView[] = [];
  const { job, result } = await client().restore(
    await photo(),
    { model: 'real-esrgan-fast', scale: 2, format: 'webp' },
    { onProgress: (job) => seen.push(job), idempotencyKey: 'whole-way' },
  );
  expect(job).toMatchObject({ status: 'succeeded', terminal: true, parameters: { scale: 2, format: 'webp' } });
  expect(seen[0]).toMatchObject({ id: job.id, terminal: false });
  expect(seen.at(-1)).toEqual(job);
  const { width, height, format } = await sharp(await result.arrayBuffer()).metadata();
  expect([width, height, format]).toEqual([288, 288, 'webp']);

  const { data } = await client().list({ idempotency_key: 'whole-way' });
  expect(data.map(({ id }) => id)).toEqual([job.id]);
  await client().erase(job.id);
  await expect(client().job(job.id)).rejects.toMatchObject({ problem: { code: 'gone', status: 410 } });
});

test('one Idempotency-Key is one job', async () => {
  const upload_id = await client().upload(await photo());
  const submit = () => client().submit({ input: { upload_id }, model: 'real-esrgan-fast' }, { idempotencyKey: 'once' });
  const [first, second] = await Promise.all([submit(), submit()]);
  expect(second).toEqual(first);
});

test('a job is canceled by its signal', async () => {
  const stop = new AbortController();
  let id = '';
  const restoring = client().restore(
    await large(),
    { model: 'real-esrgan' },
    {
      signal: stop.signal,
      onProgress: (job) => {
        id = job.id;
        stop.abort(new Error('enough'));
      },
    },
  );
  await expect(restoring).rejects.toThrow('enough');
  expect(await client().follow(id)).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
  await expect(client().output(id)).rejects.toMatchObject({ problem: { code: 'no-output' } });
});

describe('a failure', () => {
  test('is an error with the problem of the service', async () => {
    const refused = await client()
      .restore(await photo(), { model: 'real-esrgan-fast', denoise: 7 })
      .catch((error: unknown) => error);
    expect(isApiError(refused) && refused.problem).toMatchObject({ status: 422, errors: [{ pointer: '#/denoise' }] });

    const failed = client().restore(new TextEncoder().encode('no photo'), { model: 'real-esrgan-fast' });
    await expect(failed).rejects.toMatchObject({ problem: { code: 'unsupported-media-type', charged: false } });

    const stranger = createClient({ baseUrl: service.url, key: 'sr_live_wrong' });
    await expect(stranger.list()).rejects.toMatchObject({ problem: { code: 'unauthorized' } });
  });

  test('that may pass is tried again; an unchanged job is an empty 304', async () => {
    const asked: { url: string; etag: string | undefined }[] = [];
    const answers = [503, 200, 304, 429, 200];
    const server = createServer((request, response) => {
      asked.push({ url: request.url!, etag: request.headers['if-none-match'] });
      const status = answers.shift()!;
      const job = { id: 'job_1', terminal: answers.length === 0, version: answers.length };
      response.writeHead(status, { 'Retry-After': '0', ETag: 'W/"j1"' });
      response.end(status === 200 ? JSON.stringify(job) : '');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const seen: number[] = [];
    const job = await createClient({ baseUrl: `http://127.0.0.1:${port}/`, key: 'k' }).follow('job_1', {
      onProgress: ({ version }) => seen.push(version),
    });
    server.close();
    expect(job).toEqual({ id: 'job_1', terminal: true, version: 0 });
    expect(seen).toEqual([3, 0]);
    expect(asked.map(({ etag }) => etag)).toEqual([undefined, undefined, 'W/"j1"', 'W/"j1"', 'W/"j1"']);
    expect(new Set(asked.map(({ url }) => url))).toEqual(new Set(['/v1/jobs/job_1']));
  });

  test('that asks for more patience than was given is told at once, with the time', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(429, { 'Retry-After': '3600' }).end('Slowly.');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const refused = createClient({ baseUrl: `http://127.0.0.1:${port}`, key: 'k' }).list();
    await expect(refused).rejects.toMatchObject({ retryAfterSeconds: 3600, problem: { status: 429 } });
    server.close();
  });
});

test('a job is watched, and its photo, receipt and balance can be asked for', async () => {
  const { job } = await client().restore(await photo(), { model: 'real-esrgan-fast' });
  expect(await client().watch(job.id)).toEqual(job); // Node has no EventSource: it asks
  expect(new Uint8Array(await (await client().photo(job.id)).arrayBuffer())).toEqual(await photo());
  expect(await client().receipt(job.id)).toMatchObject({ receipt: { job_id: job.id, price: 0 } });
  expect((await client().receiptKeys()).keys).toHaveLength(1);
  expect(await client().balance()).toEqual({ balance: 0, prices: 'free' });
});

test('it is small: under 10 kB, compressed, and carries no schemas', async () => {
  const { outputFiles } = await build({
    entryPoints: [new URL('../../../shared/client.ts', import.meta.url).pathname],
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
  const [file] = outputFiles;
  expect(gzipSync(file!.contents).length).toBeLessThan(10_000);
  expect(file!.text).not.toContain('ZodError');
});
