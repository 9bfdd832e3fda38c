import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimOwnership, openDatabase, recoverAfterCrash } from '../../shared/adapters/local/database.ts';
import { removeUnfinishedObjects } from '../../shared/adapters/local/file-object-store.ts';
import { MIGRATIONS } from '../../shared/adapters/local/schema.ts';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import { AppError } from '../../shared/error.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { webhookDelivery } from '../../shared/outbox.ts';
import type { Upload } from '../../shared/ports.ts';
import { rateLimitsSchema } from '../../shared/rate-limits.ts';
import { createClock } from '../support/clock.ts';
import { makeDirectory, openLocalStores } from '../support/local-stores.ts';
import { outcomeOf } from '../support/outcome.ts';
import { sampleJob } from '../support/sample-job.ts';

const WRITER = fileURLToPath(new URL('../support/crash-writer.ts', import.meta.url));
const ACCOUNT = { id: 'acc_one', name: 'One', created_at: '2026-01-01T00:00:00.000Z' };

let directory: string;
let remove: () => Promise<void>;

beforeEach(async () => {
  ({ directory, remove } = await makeDirectory());
});
afterEach(() => remove());

/** Runs the writer until it has done a few jobs and for so long more, kills it with SIGKILL, returns its output. */
async function writeUntilKilled(milliseconds: number): Promise<string[]> {
  const child = spawn(process.execPath, [WRITER, directory], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk;
  });
  const closed = once(child, 'close');
  while ((output.match(/^done /gm) ?? []).length < 5 && child.exitCode === null) {
    await Promise.race([once(child.stdout, 'data'), closed]);
  }
  setTimeout(() => child.kill('SIGKILL'), milliseconds);
  const [, signal] = await closed;
  if (signal !== 'SIGKILL') throw new Error(`The writer ended by itself: ${errors}`);
  return output.split('\n').slice(0, -1); // text after the last line end is cut off
}

describe('kill -9 in the middle of writes', () => {
  it('loses nothing that had returned, and leaves nothing half done', async () => {
    const lines: string[] = [];
    for (const milliseconds of [120, 201, 333, 150]) lines.push(...(await writeUntilKilled(milliseconds)));
    claimOwnership(directory)(); // the dead writers hold no lock
    const { state, objects, database } = openLocalStores(directory, createClock(Date.now()));
    const idsAfter = (word: string) =>
      lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.split(' ')[1]!] : []));
    expect(database.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);

    expect(idsAfter('done').length).toBeGreaterThan(10);
    for (const id of idsAfter('job')) expect(await state.getJob(id), id).not.toBeNull();
    for (const id of idsAfter('taken')) expect((await state.getJob(id))?.attempt, id).toBeGreaterThan(0);
    for (const id of idsAfter('done')) expect((await state.getJob(id))?.status, id).toBe('succeeded');
    for (const key of idsAfter('object')) expect(await objects.head(key), key).not.toBeNull();

    const keys = await readdir(join(directory, 'objects', 'out'), { recursive: true, withFileTypes: true });
    for (const file of keys.filter((entry) => entry.isFile())) {
      const key = join(file.parentPath, file.name).slice(join(directory, 'objects').length + 1);
      expect(await objects.head(key)).toEqual({ bytes: 200_000, contentType: 'image/png' });
    }

    const entries = await state.listLedger({ account: ACCOUNT.id });
    expect(await state.getBalance(ACCOUNT.id)).toBe(entries.reduce((sum, { amount }) => sum + amount, 0));
    const jobs = database.prepare('SELECT count(*) AS count FROM jobs').get()?.count;
    expect(entries.filter(({ kind }) => kind === 'reserve')).toHaveLength(Number(jobs));
    const succeeded = database.prepare(`SELECT count(*) AS count FROM jobs WHERE status = 'succeeded'`).get()?.count;
    expect(entries.filter(({ kind }) => kind === 'capture')).toHaveLength(Number(succeeded));
    database.close();
  });

  it('lets the next owner claim at once the job that a dead worker held', async () => {
    const first = openLocalStores(directory);
    await first.state.createAccount(ACCOUNT);
    const [running, waiting] = [sampleJob(first.clock.now()), sampleJob(first.clock.now())];
    for (const job of [running, waiting]) {
      await first.state.createJob(job);
      await first.queue.send({ jobId: job.id, tenant: job.account });
    }
    await first.queue.receive({ visibilitySeconds: 3600, waitSeconds: 0 });
    await first.state.updateJob(running.id, { type: 'claim' });
    first.database.close();

    const next = openLocalStores(directory);
    recoverAfterCrash(next.database);
    expect(await next.queue.depth()).toEqual({ visible: 2, inFlight: 0 });
    const received = [await next.queue.receive({ visibilitySeconds: 60, waitSeconds: 0 })];
    received.push(await next.queue.receive({ visibilitySeconds: 60, waitSeconds: 0 }));
    expect(received.map((message) => [message?.jobId, message?.receiveCount])).toEqual([
      [running.id, 2],
      [waiting.id, 1],
    ]);
    expect((await next.state.updateJob(running.id, { type: 'claim' })).attempt).toBe(2);
    next.database.close();
  });

  it('clears away unfinished files, and nothing else', async () => {
    const { objects, database } = openLocalStores(directory);
    await objects.put('a/b', new Blob(['x']).stream(), { contentType: 'image/png' });
    const unfinished = join(directory, 'objects', '.unfinished');
    expect(await readdir(unfinished)).toEqual([]);
    await writeFile(join(unfinished, 'left-by-a-dead-process'), 'half a pho');
    await removeUnfinishedObjects(join(directory, 'objects'));
    expect(await readdir(join(directory, 'objects'))).toEqual(['a']);
    await objects.put('a/c', new Blob(['x']).stream(), { contentType: 'image/png' });
    expect(await objects.head('a/b')).not.toBeNull();
    await removeUnfinishedObjects(join(directory, 'nothing-yet'));
    database.close();
  });
});

describe('ownership', () => {
  it('has one owner at a time, named by the directory', async () => {
    const release = claimOwnership(directory);
    expect(() => claimOwnership(directory)).toThrow(AppError);
    expect(() => claimOwnership(directory)).toThrow(directory);
    release();
    claimOwnership(directory)();
  });

  it('refuses an owner while another process is it', async () => {
    const release = claimOwnership(directory);
    const child = spawn(process.execPath, [WRITER, directory], { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk;
    });
    const [code] = await once(child, 'close');
    expect(code).toBe(1);
    expect(errors).toContain(directory);
    release();
  });

  it('lets a second process use the database beside the owner', async () => {
    const release = claimOwnership(directory);
    const owner = openLocalStores(directory);
    await owner.state.createAccount(ACCOUNT);
    const waiting = owner.queue.receive({ visibilitySeconds: 60, waitSeconds: 20 });
    const beside = openLocalStores(directory);
    expect(await beside.state.getAccount(ACCOUNT.id)).toEqual(ACCOUNT);
    await beside.queue.send({ jobId: 'job_1', tenant: ACCOUNT.id });
    expect((await waiting)?.jobId).toBe('job_1');
    beside.database.close();
    owner.database.close();
    release();
  });
});

describe('database', () => {
  it('is for its user only, durable, and made once', async () => {
    const inside = join(directory, 'not', 'yet');
    const db = openDatabase(inside);
    if (process.platform !== 'win32') expect((await stat(inside)).mode & 0o777).toBe(0o700);
    for (const name of process.platform === 'win32' ? [] : await readdir(inside)) {
      expect((await stat(join(inside, name))).mode & 0o777, name).toBe(0o600);
    }
    expect(db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    expect(db.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
    expect(db.prepare('PRAGMA foreign_keys').get()).toEqual({ foreign_keys: 1 });
    db.close();
    openDatabase(inside).close();
  });

  it('refuses a database of a later version', () => {
    const db = openDatabase(directory);
    db.exec('PRAGMA user_version = 999');
    db.close();
    expect(() => openDatabase(directory)).toThrow('999');
  });

  it('admits a job that awaited its photo in version 1, which had reserved its price', async () => {
    const job = { ...sampleJob(Date.now(), { input: undefined }), charge: { state: 'reserved', amount: 0 } };
    const old = new DatabaseSync(join(directory, 'state.sqlite'));
    old.exec(
      `${MIGRATIONS[0]}; PRAGMA user_version = 1; INSERT INTO accounts (id, name, created_at) VALUES ('acc_one', '', '')`,
    );
    old.prepare('INSERT INTO jobs (id, data) VALUES (?, ?)').run(job.id, JSON.stringify(job));
    old
      .prepare(
        `INSERT INTO ledger (id, account, kind, job_id, amount, created_at) VALUES ('x', 'acc_one', 'reserve', ?, 0, '')`,
      )
      .run(job.id);
    old.close();

    const { state, database } = openLocalStores(directory);
    expect(findLedgerProblems(await state.getStatement(ACCOUNT.id))).toEqual([]);
    await state.topUp({ account: ACCOUNT.id, amount: 10, payment: 'pay' });
    const input = { width: 1, height: 1, bytes: 1, format: 'png' } as const;
    await state.updateJob(job.id, { type: 'uploaded', input, price: 4 });
    expect(findLedgerProblems(await state.getStatement(ACCOUNT.id))).toEqual([]);
    expect(await state.getBalance(ACCOUNT.id)).toBe(6);
    const day = job.created_at.slice(0, 10);
    const usage = await state.getUsage({ account: ACCOUNT.id, test: false, from: day, to: day });
    expect(usage).toEqual([{ day, model: job.parameters.model, jobs: 1, succeeded: 0, captured: 0 }]);
    expect(() => database.exec('DELETE FROM ledger')).toThrow('append-only');
    database.close();
  });

  it('brings the data of an earlier version to the form of shares and quotas', async () => {
    const clock = createClock();
    const [live, looked, failed] = [{}, { preview: { x: 0, y: 0, width: 9, height: 9 } }, {}].map((more) => {
      const job = sampleJob(clock.now());
      return { ...job, parameters: { ...job.parameters, ...more }, status: 'succeeded' };
    });
    const jobs = [live!, looked!, { ...failed!, status: 'failed' }, { ...sampleJob(clock.now()), test: true }];
    const fetches = ['waiting', 'underway'].map((name) => {
      const { endpoint_id: _none, ...delivery } = webhookDelivery({ account: 'acc_one', endpoint_id: '' }, clock.now());
      return { ...delivery, kind: 'input', url: `https://example.com/${name}` };
    });
    const underway = { ...fetches[1]!, claimed: true, claim: 1, due_at: clock.now() + 1000 };
    const hook = webhookDelivery({ account: 'acc_one', endpoint_id: 'whe_one' }, clock.now() + 5);

    const old = new DatabaseSync(join(directory, 'state.sqlite'));
    // As it was before there were senders and quotas.
    const version = MIGRATIONS.findIndex((sql) => sql.includes('CREATE TABLE senders')) - 1;
    old.exec(`${MIGRATIONS.slice(0, version).join(';')}; PRAGMA user_version = ${version}`);
    old.exec(`INSERT INTO accounts (id, name, created_at) VALUES ('acc_one', '', '')`);
    for (const job of jobs) {
      const upload = {
        id: job.upload_id,
        account: 'acc_one',
        key: job.input_key,
        bytes: 10,
        created_at: job.created_at,
      };
      old.prepare('INSERT INTO uploads (id, data) VALUES (?, ?)').run(upload.id, JSON.stringify(upload));
      old.prepare('INSERT INTO jobs (id, data) VALUES (?, ?)').run(job.id, JSON.stringify(job));
    }
    for (const delivery of [fetches[0]!, underway, hook]) {
      old.prepare('INSERT INTO deliveries (id, data) VALUES (?, ?)').run(delivery.id, JSON.stringify(delivery));
    }
    old.close();

    const { state, database } = openLocalStores(directory, clock);
    const restored = await Promise.all(jobs.map(async ({ upload_id }) => (await state.getUpload(upload_id))?.restored));
    expect(restored).toEqual([true, undefined, undefined, undefined]);
    expect((await state.claimDelivery(3))?.id).toBe(fetches[0]!.id);
    expect(await state.claimDelivery(3)).toBeNull();
    clock.advance(0.005);
    expect((await state.claimDelivery(0))?.id).toBe(hook.id);
    clock.advance(1);
    expect((await state.claimDelivery(3))?.id).toBe(underway.id);
    const limits = rateLimitsSchema.parse({ uploads: { quota: 4, bytes: 40 } });
    const limited = createSqliteStateStore(database, { now: clock.now, limits });
    const upload = (await limited.getUpload(live!.upload_id))!;
    await limited.createUpload({ ...upload, id: 'upl_new', restored: undefined } as Upload);
    const another = { ...upload, id: 'upl_other', restored: undefined } as Upload;
    expect(await outcomeOf(limited.createUpload(another))).toBe('quota-exceeded');
    database.close();
  });

  it('guards the ledger by itself: one end for a job, no change, no debt', async () => {
    const { state, database, clock } = openLocalStores(directory);
    await state.createAccount(ACCOUNT);
    await state.topUp({ account: ACCOUNT.id, amount: 10, payment: 'pay' });
    const job = sampleJob(clock.now(), { price: 4 });
    await state.createJob(job);
    await state.updateJob(job.id, { type: 'cancel' });
    const book = (kind: string, amount: number) =>
      database
        .prepare(`INSERT INTO ledger (id, account, kind, job_id, amount, created_at) VALUES ('x', ?, ?, ?, ?, '')`)
        .run(ACCOUNT.id, kind, job.id, amount);
    expect(() => book('release', 4)).toThrow('UNIQUE');
    expect(() => book('capture', 0)).toThrow('UNIQUE');
    expect(() => book('reserve', 4)).toThrow('CHECK');
    expect(() => database.exec('UPDATE ledger SET amount = 1')).toThrow('append-only');
    expect(() => database.exec('DELETE FROM ledger')).toThrow('append-only');
    const other = sampleJob(clock.now(), { price: 11 });
    expect(await outcomeOf(state.createJob(other))).toBe('insufficient-credit');
    expect(await state.getBalance(ACCOUNT.id)).toBe(10);
    database.close();
  });
});

describe('queue', () => {
  it('serves the tenant that waited longest, and of each the oldest message', async () => {
    const { queue, database } = openLocalStores(directory);
    const receive = async () => (await queue.receive({ visibilitySeconds: 60, waitSeconds: 0 }))?.jobId;
    for (let i = 0; i < 500; i++) await queue.send({ jobId: `a${i}`, tenant: 'acc_a' });
    expect(await receive()).toBe('a0');
    await queue.send({ jobId: 'b0', tenant: 'acc_b' });
    await queue.send({ jobId: 'b1', tenant: 'acc_b' });
    await queue.send({ jobId: 'c0', tenant: 'acc_c' });
    const order = [];
    for (let i = 0; i < 6; i++) order.push(await receive());
    expect(order).toEqual(['b0', 'c0', 'a1', 'b1', 'a2', 'a3']);
    await queue.send({ jobId: 'b2', tenant: 'acc_b' });
    await queue.send({ jobId: 'c1', tenant: 'acc_c' });
    expect([await receive(), await receive(), await receive()]).toEqual(['c1', 'b2', 'a4']);
    database.close();
  });

  it('neither loses nor doubles a message when the clock goes back', async () => {
    const { queue, clock, database } = openLocalStores(directory);
    const receive = () => queue.receive({ visibilitySeconds: 60, waitSeconds: 0 });
    await queue.send({ jobId: 'job_1', tenant: 'acc_one' });
    await queue.send({ jobId: 'job_2', tenant: 'acc_one' });
    clock.advance(-86_400);
    const [first, second] = [await receive(), await receive()];
    expect([first?.jobId, second?.jobId]).toEqual(['job_1', 'job_2']);
    clock.advance(-3600);
    expect(await receive()).toBeNull();
    expect(await queue.extend(first!.receipt, 0)).toBe(true);
    expect((await receive())?.jobId).toBe('job_1');
    database.close();
  });
});

describe('files', () => {
  it('keeps objects below its folder, each as one file that begins with its bytes', async () => {
    const { objects, database } = openLocalStores(directory);
    await mkdir(join(directory, 'beside'));
    await writeFile(join(directory, 'beside', 'secret'), 'secret');
    expect(await outcomeOf(objects.get('../beside/secret'))).toBe('invalid');
    expect(await outcomeOf(objects.delete('a/../../beside/secret'))).toBe('invalid');
    await objects.put('in/acc/x', new Blob(['photo']).stream(), { contentType: 'image/png' });
    const path = join(directory, 'objects', 'in', 'acc', 'x');
    if (process.platform !== 'win32') expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(path)).size).toBe('photo'.length + 'image/png'.length + 1);
    await objects.delete('in/acc/x');
    expect(await readdir(join(directory, 'objects'))).toEqual(['.unfinished']);
    expect((await stat(join(directory, 'beside', 'secret'))).size).toBe(6);
    database.close();
  });

  it('refuses a content type that it could not keep', async () => {
    const { objects, database } = openLocalStores(directory);
    const put = (length: number) =>
      objects.put(`type-${length}`, new Blob(['x']).stream(), { contentType: `a/${'b'.repeat(length - 2)}` });
    expect(await outcomeOf(put(256))).toBe('invalid');
    await put(255);
    expect((await objects.head('type-255'))?.contentType).toHaveLength(255);
    database.close();
  });
});
