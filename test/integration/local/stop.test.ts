import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, createServer, get, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { endConnections } from '../../../local/end-connections.ts';
import type { JobView } from '../../../shared/api.ts';
import { createTestClient } from '../../support/client.ts';
import { type ServiceProcess, startServiceProcess } from '../../support/service-process.ts';

/** SIGTERM, as a deployment sends it: transfers arrive, waiting clients are answered, and the process ends in time. */

const BYTES = 400_000;

let directory: string;
let service: ServiceProcess;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-stop-'));
  service = await startServiceProcess(directory);
});
afterEach(async () => {
  await service.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const client = () => createTestClient(service.url, service.firstKey!);

async function picture(width: number, height = width): Promise<Uint8Array<ArrayBuffer>> {
  const noise = { type: 'gaussian' as const, mean: 128, sigma: 60 };
  const create = { width, height, channels: 3 as const, background: '#000', noise };
  return new Uint8Array(await sharp({ create }).png({ compressionLevel: 0 }).toBuffer());
}

interface Upload {
  url: string;
  method: string;
  headers: Record<string, string>;
}

function announce(): Promise<Upload> {
  return client().json<Upload>('/v1/uploads', {
    method: 'POST',
    body: JSON.stringify({ bytes: BYTES, content_type: 'image/png' }),
  });
}

/** The first half at once, the other when `goOn` says so. Resolves with the status, or the code of the error. */
function sendSlowly({ url, method, headers }: Upload, body: Buffer, goOn: Promise<unknown>) {
  return new Promise<number | string>((resolve) => {
    const sending = request(url, { method, headers: { ...headers, 'Content-Length': body.length } }, (answer) => {
      resolve(answer.resume().statusCode!);
    });
    sending.on('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
    sending.write(body.subarray(0, body.length / 2));
    void goOn.then(() => sending.end(body.subarray(body.length / 2)));
  });
}

test('uploads, downloads, waits and streams come to their end', async () => {
  const { json, upload, submit, end } = client();
  const file = await picture(160, 100);
  const done = await submit({ input: { upload_id: await upload(file) }, model: 'real-esrgan-fast', format: 'png' });
  await end(done.id);
  const result = await json<{ url: string }>(`/v1/jobs/${done.id}/output?redirect=false`);
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  const goOn = stopped.then(() => pause(1_000));
  const put = sendSlowly(await announce(), randomBytes(BYTES), goOn);
  const [large, waiting] = await Promise.all([upload(await picture(400)), upload(await picture(400))]);
  const running = await submit({ input: { upload_id: large }, model: 'real-esrgan' });
  const headers = {
    authorization: `Bearer ${service.firstKey}`,
    'content-type': 'application/json',
    prefer: 'wait=50',
  };
  const wait = fetch(`${service.url}/v1/jobs`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ input: { upload_id: waiting }, model: 'real-esrgan' }),
  });
  const stream = await fetch(`${service.url}/v1/jobs/${running.id}/events`, { headers });
  const download = new Promise<IncomingMessage>((resolve) => get(result.url, resolve));
  const downloading = await download; // and read when the stop has begun
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = () =>
    new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) => {
      const asking = get(`${service.url}/readyz`, { agent }, (answer) => {
        answer
          .resume()
          .once('end', () => resolve({ status: answer.statusCode, connection: answer.headers.connection }));
      });
      asking.on('error', reject);
    });
  expect(await ask()).toMatchObject({ status: 200, connection: 'keep-alive' });
  const readyz = ask(); // on the connection that is there
  await expect.poll(async () => (await client().job(running.id)).status).toBe('running');

  service.process.kill('SIGTERM');
  stop();
  await readyz;
  const answer = await wait;
  expect(answer.status).toBe(202);
  expect(((await answer.json()) as JobView).status).toMatch(/queued|starting|running/);
  expect(await stream.text()).toMatch(/retry: 1000\n\n$/);
  expect(await put).toBe(200);
  const parts: Buffer[] = [];
  for await (const part of downloading) parts.push(part);
  expect(Buffer.concat(parts).length).toBe(Number(downloading.headers['content-length']));
  await expect(fetch(`${service.url}/healthz`)).rejects.toThrow();
  await expect.poll(() => service.process.exitCode).toBe(0);
  expect(service.log.filter(({ level }) => level === 'error')).toEqual([]);

  const key = service.firstKey;
  service = await startServiceProcess(directory);
  const again = createTestClient(service.url, key!);
  expect((await again.job(running.id)).status).toMatch(/queued|starting|running/);
  agent.destroy();
});

test('a client that does not end is broken off', async () => {
  const server = createServer((incoming) => incoming.resume());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const arrived = once(server, 'request');
  const sending = sendSlowly({ url, method: 'PUT', headers: {} }, randomBytes(BYTES), new Promise(() => {}));
  await arrived;
  await endConnections(server, 300);
  expect(await sending).toBe('ECONNRESET');
});

test.runIf(process.platform === 'linux')('a file system that does not answer keeps nobody from the end', async () => {
  // A process that opens it waits for a writer: as with a network file system whose server is gone.
  execFileSync('mkfifo', [join(directory, 'objects/readiness')]);
  const ready = await fetch(`${service.url}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.text()).toContain('Not ready: storage.');
  service.process.kill('SIGTERM');
  await expect.poll(() => service.process.exitCode ?? service.process.signalCode).not.toBeNull();
  expect(service.process.signalCode).toBe('SIGKILL');
});
