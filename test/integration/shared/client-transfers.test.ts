import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, isFault, type Transfer } from 'seesr-cloud/client';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { readConfig } from '../../../local/config.ts';
import { type Service, startService } from '../../../local/service.ts';
import { createLog } from '../../../shared/log.ts';
import { startBreakingProxy } from '../../support/breaking-proxy.ts';

/** Files on their way in Node, through connections that break, stand still, or lead to somebody else. */

let directory: string;
let service: Service;
let proxy: Awaited<ReturnType<typeof startBreakingProxy>>;
/** Does not compress: about 300 kB. */
let photo: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-transfers-'));
  const config = readConfig({ DATA_DIR: directory, MODELS_DIR: join(directory, 'models'), PORT: '0', DEVICE: 'cpu' });
  service = await startService(
    config,
    createLog('silent', () => {}),
  );
  const noise = { raw: { width: 320, height: 320, channels: 3 } } as const;
  photo = new Uint8Array(
    await sharp(randomBytes(320 * 320 * 3), noise)
      .png()
      .toBuffer(),
  );
});
afterAll(async () => {
  await service?.close();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  proxy = await startBreakingProxy(service.url, /\/blobs\//);
  vi.spyOn(Math, 'random').mockReturnValue(0.05); // short pauses between tries
});
afterEach(() => {
  vi.restoreAllMocks();
  proxy.close();
});

/** Absolute URLs in answers lead through the proxy, as `Host` does. */
const client = (options: { stallSeconds?: number } = {}) =>
  createClient({ baseUrl: proxy.url, key: service.firstKey!, ...options });

const sent = async (upload_id: string) => {
  const { id } = await client().submit({ input: { upload_id }, model: 'real-esrgan-fast', fidelity: 1, scale: 1 });
  return new Uint8Array(await (await client().photo(id)).arrayBuffer());
};

describe('a photo that is sent', () => {
  test.each([
    ['bytes', () => photo],
    ['a Blob', () => new Blob([photo], { type: 'image/png' })],
  ])('as %s tells how far it is', async (_kind, make) => {
    const told: Transfer[] = [];
    await client().upload(make(), { onTransfer: (transfer) => told.push(transfer) });
    expect(told[0]).toEqual({ direction: 'up', bytes: 0, total: photo.length });
    expect(told.at(-1)).toEqual({ direction: 'up', bytes: photo.length, total: photo.length });
    expect(told.length).toBeGreaterThan(4);
    expect(told).toEqual(told.toSorted((a, b) => a.bytes - b.bytes));
  });

  test('goes on where the connection broke, and where it died without a word', async () => {
    proxy.breaks.push(
      { direction: 'up', bytes: 120_000 },
      { direction: 'up', bytes: Number.POSITIVE_INFINITY }, // HEAD
      { direction: 'up', bytes: 90_000, silent: true },
    );
    const told: number[] = [];
    const id = await client({ stallSeconds: 1 }).upload(photo, { onTransfer: ({ bytes }) => told.push(bytes) });
    // On a slow machine the last answer may be waited for no longer, and asked about.
    expect(proxy.requests.slice(0, 5)).toEqual(['PUT', 'HEAD', 'PATCH', 'HEAD', 'PATCH']);
    expect(proxy.requests.slice(5)).not.toContain('PUT');
    expect(await sent(id)).toEqual(photo);
    const last = told.lastIndexOf(Math.min(...told.slice(-3)));
    expect(told[last]).toBeGreaterThan(150_000); // the bytes that had come were not sent again
  });

  test('is there when only the last answer was lost', async () => {
    proxy.breaks.push({ direction: 'down', bytes: 0 });
    const id = await client().upload(photo);
    expect(proxy.requests).toEqual(['PUT', 'HEAD']);
    expect(await sent(id)).toEqual(photo);
  });

  test('is given up where nothing moves, with its reason', async () => {
    for (let count = 0; count < 20; count++) proxy.breaks.push({ direction: 'up', bytes: 10, silent: true });
    const error = await client({ stallSeconds: 0.2 })
      .upload(photo)
      .catch((thrown: unknown) => thrown);
    expect(isFault(error) && error.fault).toBe('stalled');
  });

  test('is stopped by its signal, in the middle', async () => {
    const stop = new AbortController();
    const uploading = client().upload(photo, {
      signal: stop.signal,
      onTransfer: ({ bytes }) => bytes > 0 && stop.abort(new Error('enough')),
    });
    await expect(uploading).rejects.toThrow('enough');
  });

  test('cannot be read any more: that is no lost connection, and is not tried again', async () => {
    const path = join(directory, 'photo.png');
    await writeFile(path, photo);
    const blob = await openAsBlob(path, { type: 'image/png' });
    await appendFile(path, 'x');
    const error = await client()
      .upload(blob)
      .catch((thrown: unknown) => thrown);
    expect(isFault(error) && error.fault).toBe('unreadable');
    expect(proxy.requests.length).toBeLessThanOrEqual(1);
  });
});

describe('a result that is fetched', () => {
  let id: string;
  let whole: Uint8Array;
  beforeAll(async () => {
    const direct = createClient({ baseUrl: service.url, key: service.firstKey! });
    const { job, result } = await direct.restore(photo, { model: 'real-esrgan-fast', fidelity: 1, scale: 1 });
    id = job.id;
    whole = new Uint8Array(await result.arrayBuffer());
  });

  test('goes on where the connection broke, and where it died without a word', async () => {
    proxy.breaks.push({ direction: 'down', bytes: 100_000 }, { direction: 'down', bytes: 50_000, silent: true });
    const told: Transfer[] = [];
    const result = await client({ stallSeconds: 1 }).output(id, { onTransfer: (transfer) => told.push(transfer) });
    expect(new Uint8Array(await result.arrayBuffer())).toEqual(whole);
    expect(result.type).toBe('image/png');
    expect(proxy.requests).toEqual([
      'GET',
      expect.stringMatching(/^GET bytes=\d{5}-$/),
      expect.stringMatching(/^GET bytes=1\d{5}-$/),
    ]);
    expect(told.at(-1)).toEqual({ direction: 'down', bytes: whole.length, total: whole.length });
    expect(told).toEqual(told.toSorted((a, b) => a.bytes - b.bytes));
  });

  test('comes through a connection that breaks more often than it is tried in a row', async () => {
    for (let count = 0; count < 8; count++) proxy.breaks.push({ direction: 'down', bytes: 30_000 });
    const result = await client().output(id);
    expect(new Uint8Array(await result.arrayBuffer())).toEqual(whole);
  });
});

describe('a server that is not the service', () => {
  let server: Server;
  const answerWith = async (listener: RequestListener) => {
    server = createServer(listener).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return createClient({ baseUrl, key: 'k' });
  };
  afterEach(() => server.close());

  test.each([
    ['a page', 'text/html', '<html>Log in to the hotel'],
    ['half an answer', 'application/json', '{"data": ['],
    ['nothing', 'application/json', ''],
  ])('%s in place of an answer is told apart from no answer', async (_what, type, body) => {
    const stranger = await answerWith((_request, response) =>
      response.writeHead(200, { 'Content-Type': type }).end(body),
    );
    for (const call of [() => stranger.models(), () => stranger.upload(photo), () => stranger.output('job_1')]) {
      const error = await call().catch((thrown: unknown) => thrown);
      expect(isFault(error) && error.fault).toBe('foreign');
    }
  });

  test('a page in place of the store is no upload', async () => {
    const stranger = await answerWith((request, response) => {
      if (request.method === 'PUT') return response.writeHead(200, { 'Content-Type': 'text/html' }).end('<html>Log in');
      const url = `http://${request.headers.host}/blobs/1`;
      const target = { id: 'upl_1', method: 'PUT', url, headers: { 'Content-Type': 'image/png' } };
      return response.writeHead(201, { 'Content-Type': 'application/json' }).end(JSON.stringify(target));
    });
    const error = await stranger.upload(photo).catch((thrown: unknown) => thrown);
    expect(isFault(error) && error.fault).toBe('foreign');
  });

  test('a cut-off problem is still a refusal', async () => {
    const stranger = await answerWith((_request, response) => {
      response.writeHead(403, { 'Content-Type': 'application/problem+json' }).end('{"code": "forb');
    });
    await expect(stranger.models()).rejects.toMatchObject({ problem: { status: 403, code: 'unexplained' } });
  });
});

test('a key that no header can hold is no matter of the connection', async () => {
  const odd = createClient({ baseUrl: service.url, key: 'sr_live_…' });
  const error = await odd.models().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(TypeError);
  expect(isFault(error)).toBe(false);
});
