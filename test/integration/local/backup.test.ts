import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStores } from '../../../local/stores.ts';
import { findLedgerProblems } from '../../../shared/ledger.ts';
import { createTestClient, type TestClient } from '../../support/client.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../../support/sample-job.ts';
import { type ServiceProcess, startServiceProcess } from '../../support/service-process.ts';

/** `npm run backup` and `npm run restore-backup`, beside the real service. */

const run = promisify(execFile);
const LOCAL = join(import.meta.dirname, '../../../local');
const PRICED = { PRICES: 'standard' };
const FILE_KINDS = ['SHA256SUMS', 'objects', 'secret', 'signing-key.json', 'state.sqlite'];

let root: string;
const services: ServiceProcess[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'seesr-backup-'));
});
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.kill('SIGKILL')));
  await rm(root, { recursive: true, force: true });
});

const at = (...names: string[]) => join(root, ...names);

async function start(directory: string): Promise<ServiceProcess> {
  const service = await startServiceProcess(directory, PRICED);
  services.push(service);
  return service;
}

async function command(name: string, directory: string, ...given: string[]) {
  const env = { PATH: process.env.PATH, DATA_DIR: directory };
  const end = await run(process.execPath, [join(LOCAL, `${name}.ts`), ...given], { env }).catch((error) => error);
  return { code: end.code ?? 0, words: `${end.stdout}${end.stderr}` };
}

/** A data directory with one result, and no service. */
async function fill(directory: string) {
  const { state, objects, database } = openStores(directory);
  await state.createAccount({ id: 'acc_one', name: 'One', created_at: '2026-01-01T00:00:00.000Z' });
  const job = sampleJob(Date.now());
  await state.createJob(job);
  await state.updateJob(job.id, { type: 'claim' });
  const key = `out/acc_one/${job.id}/1.png`;
  const put = async (at: string) => {
    await objects.put(at, new Blob(['a result']).stream(), { contentType: 'image/png' });
    return { key: at, width: 4, height: 3, bytes: 8 };
  };
  await put(key);
  const beside = {
    heatmap: await put(`${key}.map`),
    photo_webp: await put(`${key}.photo`),
    output_webp: await put(`${key}.webp`),
  };
  await state.updateJob(job.id, {
    type: 'succeed',
    attempt: 1,
    output: { ...SAMPLE_OUTPUT, key },
    ...beside,
    notes: [],
  });
  database.close();
  return { job, key, keys: [key, ...Object.values(beside).map((file) => file.key)] };
}

interface Load {
  /** Acknowledged by the service, in this order. */
  submitted: string[];
  deleted: Set<string>;
  stop(): Promise<void>;
}

/** Photos come, are worked on, and some of them are deleted as soon as they are done. */
function load(client: TestClient, photo: Uint8Array<ArrayBuffer>): Load {
  const submitted: string[] = [];
  const deleted = new Set<string>();
  let isOver = false;
  const lane = async (mayDelete: boolean) => {
    while (!isOver) {
      const input = { upload_id: await client.upload(photo) };
      // At fidelity 1 no network runs.
      const { id } = await client.submit({ input, model: 'real-esrgan', fidelity: 1 });
      submitted.push(id);
      if (!mayDelete) continue;
      await client.end(id);
      await client.json(`/v1/jobs/${id}`, { method: 'DELETE' }).catch(() => {}); // 204 has no JSON
      deleted.add(id);
    }
  };
  const lanes = [lane(false), lane(true), lane(true)];
  return {
    submitted,
    deleted,
    async stop() {
      isOver = true;
      await Promise.all(lanes);
    },
  };
}

test('a copy under load, put back elsewhere, has every job, key, result and cent', async () => {
  const first = await start(at('data'));
  await command('accounts', at('data'), 'top-up', '900000000');
  const client = createTestClient(first.url, first.firstKey!);
  const create = { width: 16, height: 12, channels: 3 as const, background: '#3060a0' };
  const photo = new Uint8Array(await sharp({ create }).png().toBuffer());
  const done = await client.submit({
    input: { upload_id: await client.upload(photo) },
    model: 'real-esrgan',
    fidelity: 1,
  });
  const ended = await client.end(done.id);
  const { key: another } = JSON.parse((await command('keys', at('data'), 'create', '--json')).words) as { key: string };
  const work = load(client, photo);
  await expect.poll(() => work.deleted.size, { timeout: 60_000 }).toBeGreaterThan(0);
  const before = [...work.submitted];
  const goneBefore = new Set(work.deleted);

  const made = await command('backup', at('data'), at('copies', 'monday'));
  const goneAfter = new Set(work.deleted);
  const after = work.submitted.length;
  expect(made).toMatchObject({ code: 0, words: expect.stringContaining(at('copies', 'monday')) });
  expect(after).toBeGreaterThan(before.length); // it held up nobody
  expect(readdirSync(at('copies')).toSorted()).toEqual(['monday']);
  expect(readdirSync(at('copies', 'monday')).toSorted()).toEqual(FILE_KINDS);
  await work.stop();
  await first.kill('SIGKILL');

  const returned = await command('restore-backup', at('elsewhere'), at('copies', 'monday'));
  expect(returned).toMatchObject({ code: 0, words: expect.stringContaining('npm start') });
  const second = await start(at('elsewhere'));
  expect(second.firstKey).toBeUndefined();
  const again = createTestClient(second.url, first.firstKey!);
  expect((await fetch(`${second.url}/v1/jobs`, { headers: { 'x-api-key': another } })).status).toBe(200);
  for (const id of [done.id, ...before]) {
    if (goneAfter.has(id)) {
      if (goneBefore.has(id)) await expect(again.job(id)).rejects.toThrow('410');
      continue;
    }
    const job = await again.end(id);
    expect(job.status).toBe('succeeded');
    const sum = createHash('sha256')
      .update(await again.output(id))
      .digest('hex');
    expect(sum).toBe(job.output!.sha256);
  }
  expect((await again.job(done.id)).output!.sha256).toBe(ended.output!.sha256);
  await second.kill('SIGTERM');

  const { state, database } = openStores(at('elsewhere'));
  const statement = await state.getStatement('acc_local');
  expect(findLedgerProblems(statement)).toEqual([]);
  const charged = statement.jobs.map(({ charge }) => (charge.state === 'released' ? 0 : charge.amount));
  expect(Math.max(...charged)).toBeGreaterThan(0);
  expect(statement.balance).toBe(900_000_000 - charged.reduce((sum, amount) => sum + amount, 0));
  database.close();
});

test('a backup goes into a new or an empty folder, and nowhere else', async () => {
  await fill(at('data'));
  mkdirSync(at('full'));
  writeFileSync(at('full', 'letter'), 'Dear');
  writeFileSync(at('file'), '');
  mkdirSync(at('empty'));
  const refused = [
    [at('full'), 'is not empty (letter)'],
    [at('file'), 'is no folder'],
    [at('data', 'backup'), 'inside of the data directory'],
    [at('data'), 'inside of the data directory'],
  ];
  for (const [target, rule] of refused) {
    expect(await command('backup', at('data'), target!)).toMatchObject({
      code: 1,
      words: expect.stringContaining(rule!),
    });
  }
  expect(await command('backup', at('nowhere'), at('x'))).toMatchObject({
    code: 1,
    words: expect.stringContaining(`There is no data directory at ${at('nowhere')}`),
  });
  expect(readdirSync(root).toSorted()).toEqual(['data', 'empty', 'file', 'full']);
  expect(readdirSync(at('full'))).toEqual(['letter']);
  expect(await command('backup', at('data'), at('empty'))).toMatchObject({ code: 0 });
  expect(readdirSync(at('empty')).toSorted()).toEqual(FILE_KINDS);
  if (process.platform !== 'win32') {
    expect(statSync(at('empty')).mode & 0o777).toBe(0o700);
    for (const name of ['state.sqlite', 'secret']) expect(statSync(at('empty', name)).mode & 0o777).toBe(0o600);
    await run('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: at('empty') });
  }
  // It is none of the files of the service.
  expect(readdirSync(at('data', 'objects', '.unfinished'))).toEqual([]);
});

test('a backup that cannot be whole leaves nothing, and earlier losses are told', async () => {
  const { key } = await fill(at('data'));
  const path = at('data', 'objects', key);
  const bytes = readFileSync(path);
  rmSync(path);
  mkdirSync(path); // cannot be linked
  expect((await command('backup', at('data'), at('copy'))).code).toBe(1);
  expect(readdirSync(root)).toEqual(['data']);
  rmSync(path, { recursive: true });
  expect(await command('backup', at('data'), at('copy'))).toMatchObject({
    code: 1,
    words: expect.stringContaining(key),
  });
  expect(existsSync(at('copy', 'SHA256SUMS'))).toBe(true);
  writeFileSync(path, bytes);
  expect((await command('backup', at('data'), at('whole'))).code).toBe(0);
});

test('a file that is kept with a result is in the backup too, and is missed where it is lost', async () => {
  const { keys } = await fill(at('data'));
  expect((await command('backup', at('data'), at('copy'))).code).toBe(0);
  for (const key of keys) expect(existsSync(at('copy', 'objects', key)), key).toBe(true);
  for (const [index, key] of keys.entries()) {
    rmSync(at('data', 'objects', key));
    const words = expect.stringContaining(key);
    expect(await command('backup', at('data'), at(`copy-${index}`))).toMatchObject({ code: 1, words });
    cpSync(at('copy', 'objects', key), at('data', 'objects', key));
  }
});

test('a return is refused where something is, or of a damaged backup, and then leaves nothing', async () => {
  const { key } = await fill(at('data'));
  expect((await command('backup', at('data'), at('good'))).code).toBe(0);
  const back = async (name: string, directory = at('new')) => command('restore-backup', directory, at(name));
  expect(await back('good', at('data'))).toMatchObject({ code: 1, words: expect.stringContaining('is not empty') });
  expect(await back('data')).toMatchObject({ code: 1, words: expect.stringContaining('it has no SHA256SUMS') });
  const harm: Record<string, (copy: string) => void> = {
    'a result is changed': (copy) => appendFileSync(join(copy, 'objects', key), 'x'),
    'a result is missing': (copy) => rmSync(join(copy, 'objects', key)),
    'the database is cut off': (copy) => writeFileSync(join(copy, 'state.sqlite'), ''),
    'a key is another': (copy) => writeFileSync(join(copy, 'secret'), 'y'.repeat(43)),
    'the list is cut off': (copy) => writeFileSync(join(copy, 'SHA256SUMS'), `${'a'.repeat(64)}  secret\n`),
    'the list leads elsewhere': (copy) =>
      appendFileSync(join(copy, 'SHA256SUMS'), `${'a'.repeat(64)}  ../data/secret\n`),
  };
  for (const [name, change] of Object.entries(harm)) {
    cpSync(at('good'), at(name), { recursive: true });
    change(at(name));
    expect((await back(name)).code, name).toBe(1);
    expect(existsSync(at('new')), name).toBe(false);
  }
  // A stray -wal is no part of it; an empty volume is a place for it.
  writeFileSync(at('good', 'state.sqlite-wal'), 'of another database');
  mkdirSync(at('new', 'lost+found'), { recursive: true });
  expect((await back('good')).code).toBe(0);
  const database = new DatabaseSync(at('new', 'state.sqlite'), { readOnly: true });
  expect(database.prepare('SELECT count(*) AS count FROM jobs').get()).toEqual({ count: 1 });
  database.close();
  expect(readdirSync(at('new')).toSorted()).toEqual([
    'lost+found',
    'objects',
    'owner.sqlite',
    'secret',
    'signing-key.json',
    'state.sqlite',
  ]);
});
