import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Problem } from '../../../shared/error.ts';
import { asStorageFull } from '../../../shared/storage-room.ts';
import { createTestClient } from '../../support/client.ts';
import { type ServiceProcess, startServiceProcess } from '../../support/service-process.ts';

/**
 * The whole product where the system takes no more bytes. One way to that needs no privileges: a limit on the size of a
 * file (RLIMIT_FSIZE), which programs are told as they are told of a full disk.
 */

const run = promisify(execFile);
/** More than the log of the database, less than a probe of the worker, the photo and the result below. */
const LIMIT_BYTES = 6_000_000;

let directory: string;
let service: ServiceProcess | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-full-'));
});
afterEach(async () => {
  await service?.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** For the service and its inference child. */
async function limitFiles(limit: string): Promise<void> {
  const pid = service!.process.pid!;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  for (const each of [pid, ...children.split(' ').filter(Boolean)]) {
    await run('prlimit', ['--pid', String(each), `--fsize=${limit}:`]);
  }
}

/** Noise, which no format makes smaller. */
async function noise(width: number): Promise<Uint8Array<ArrayBuffer>> {
  const create = { width, height: width, channels: 3 as const, background: '#000' };
  const picture = sharp({ create: { ...create, noise: { type: 'gaussian', mean: 128, sigma: 60 } } });
  return new Uint8Array(await picture.png({ compressionLevel: 0 }).toBuffer());
}

const events = (name: string) => service!.log.filter(({ event }) => event === name);

test.runIf(process.platform === 'linux')('a full storage costs time, and nothing else', async () => {
  service = await startServiceProcess(directory);
  const keys = join(import.meta.dirname, '../../../local/keys.ts');
  const environment = { ...process.env, DATA_DIR: directory };
  const { stdout } = await run(process.execPath, [keys, 'create', '--test', '--json'], { env: environment });
  const client = createTestClient(service.url, JSON.parse(stdout).key);
  const small = await client.upload(await noise(500));
  const large = await noise(1500);
  const json = { bytes: large.length, content_type: 'image/png' };
  const announced = await client.json<{ id: string; url: string; headers: Record<string, string> }>('/v1/uploads', {
    method: 'POST',
    body: JSON.stringify(json),
  });
  const sendLarge = () => fetch(announced.url, { method: 'PUT', headers: announced.headers, body: large });

  await limitFiles(String(LIMIT_BYTES));
  const job = await client.submit({ input: { upload_id: small }, model: 'real-esrgan-fast' });
  const refused = await sendLarge();
  expect(refused.status).toBe(503);
  expect(refused.headers.get('Retry-After')).toMatch(/^\d+$/);
  expect((await refused.json()) as Problem).toMatchObject({ code: 'storage-full', retryable: true });
  await expect.poll(() => events('worker.awaits-room')).toHaveLength(1);
  expect(events('attempt.failed')).toMatchObject([
    { error: { message: expect.stringContaining('took no more bytes') } },
  ]);
  expect(await client.job(job.id)).toMatchObject({ status: 'queued', attempt: 1 });
  expect(await readdir(join(directory, 'objects'))).not.toContain('out');
  expect(await readdir(join(directory, 'scratch'))).toEqual([]);

  await limitFiles('unlimited');
  expect((await sendLarge()).status).toBe(200);
  expect(await client.end(job.id)).toMatchObject({ status: 'succeeded', attempt: 2 });
});

test.runIf(process.platform === 'linux')('the error of a full device is known', async () => {
  const error = await writeFile('/dev/full', 'x').catch((reason: unknown) => reason);
  expect(asStorageFull(error)).toMatchObject({ code: 'storage-full', status: 503 });
  expect(asStorageFull(new Error('other'))).toMatchObject({ message: 'other' });
});
