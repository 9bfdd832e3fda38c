import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from '../../../shared/adapters/local/database.ts';
import type { JobView } from '../../../shared/api.ts';
import { createTestClient } from '../../support/client.ts';
import { type ServiceProcess, startServiceProcess } from '../../support/service-process.ts';

/** `npm run jobs` beside the real service. */

const run = promisify(execFile);
const PROGRAM = join(import.meta.dirname, '../../../local/jobs.ts');

let directory: string;
let service: ServiceProcess;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-jobs-'));
  service = await startServiceProcess(directory);
});
afterEach(async () => {
  await service.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

async function jobs(...given: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [PROGRAM, ...given], { env: { ...process.env, DATA_DIR: directory } });
  return stdout.trim();
}

test('lists, shows, cancels and sweeps', async () => {
  const client = createTestClient(service.url, service.firstKey!);
  const create = { width: 16, height: 12, channels: 3 as const, background: '#3060a0' };
  const file = new Uint8Array(await sharp({ create }).png().toBuffer());
  // At fidelity 1 no network runs.
  const done = await client.submit({
    input: { upload_id: await client.upload(file) },
    model: 'real-esrgan',
    fidelity: 1,
  });
  const json = { bytes: file.length, content_type: 'image/png' };
  const { id: missing } = await client.json<{ id: string }>('/v1/uploads', {
    method: 'POST',
    body: JSON.stringify(json),
  });
  const awaiting: JobView = await client.submit({ input: { upload_id: missing } });
  const ended = await client.end(done.id);
  expect(ended.status).toBe('succeeded');

  const [listed, filtered, shown, refused] = await Promise.all([
    jobs('list'),
    jobs('list', '--status', 'awaiting_upload'),
    jobs('show', done.id),
    jobs('cancel', done.id).catch((error: Error) => error.message),
  ]);
  expect(listed.split('\n').map((line) => line.split('  ')[0])).toEqual([awaiting.id, done.id]);
  expect(filtered).toMatch(new RegExp(`^${awaiting.id} .*pending 0$`));
  expect(JSON.parse(shown)).toMatchObject({ id: done.id, ledger: [{ kind: 'reserve' }, { kind: 'capture' }] });
  expect(refused).toContain('is succeeded');
  expect(await jobs('cancel', awaiting.id)).toBe(`${awaiting.id} is canceled; nothing was reserved for it.`);
  expect((await client.job(awaiting.id)).status).toBe('canceled');

  const objects = join(directory, 'objects');
  const before = await filesIn(objects);
  await mkdir(join(objects, 'out/acc_local', awaiting.id), { recursive: true });
  for (const name of [
    `out/acc_local/${awaiting.id}/1.png`,
    `out/acc_local/${done.id}/7.png`,
    'in/acc_local/upl_gone',
  ]) {
    await writeFile(join(objects, name), 'left');
  }
  // As if a day had passed since the uploads, and a week since the result.
  const database = openDatabase(directory);
  database.exec('PRAGMA busy_timeout = 10000'); // the service writes beside it
  database.exec(`UPDATE uploads SET data = json_set(data, '$.created_at', '2026-01-01T00:00:00.000Z')`);
  database.exec(`UPDATE jobs SET data = json_set(data, '$.due_at', 0) WHERE status = 'succeeded'`);
  database.close();
  expect(before.length).toBeGreaterThan(1);
  const report = JSON.parse(await jobs('sweep', '--json'));
  expect(report).toMatchObject({ orphans: 3, errors: 0 });
  expect(await filesIn(objects)).toEqual([]);
  expect((await client.job(done.id)).status).toBe('succeeded');
});

test('sweeps away no file that a finished job shows', async () => {
  const client = createTestClient(service.url, service.firstKey!);
  const create = { width: 16, height: 12, channels: 3 as const, background: '#3060a0' };
  const file = new Uint8Array(await sharp({ create }).tiff().toBuffer());
  // Browsers show neither photo nor result: both have a copy for the screen, and the photo a heat map.
  const { id } = await client.submit({
    input: { upload_id: await client.upload(file) },
    model: 'real-esrgan-fast',
    format: 'tiff',
  });
  const { heatmap, photo_webp, output_webp } = await client.end(id);
  const objects = join(directory, 'objects');
  const before = (await filesIn(objects)).toSorted();
  expect(before).toHaveLength(5);
  expect(JSON.parse(await jobs('sweep', '--json'))).toMatchObject({ orphans: 0, errors: 0 });
  expect((await filesIn(objects)).toSorted()).toEqual(before);
  for (const { url } of [heatmap!, photo_webp!, output_webp!]) {
    expect((await fetch(url, { headers: { Authorization: `Bearer ${service.firstKey}` } })).status, url).toBe(200);
  }
});

async function filesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}
