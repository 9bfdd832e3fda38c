import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takeDataDirectory } from '../../local/data-directory.ts';
import { openStores } from '../../local/stores.ts';
import { openDatabase } from '../../shared/adapters/local/database.ts';
import { MIGRATIONS } from '../../shared/adapters/local/schema.ts';
import { makeDirectory } from '../support/local-stores.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';

/** Which folder is a data directory, the right to make and change one, and copies of it. */

const run = promisify(execFile);
const LOCAL = join(import.meta.dirname, '../../local');
const ACCOUNT = { id: 'acc_one', name: 'One', created_at: '2026-01-01T00:00:00.000Z' };

let directory: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ directory, remove } = await makeDirectory());
});
afterEach(() => remove());

async function command(dataDirectory: string, [name, ...given]: string[], cwd = directory) {
  const env = { PATH: process.env.PATH, DATA_DIR: dataDirectory };
  const end = await run(process.execPath, [join(LOCAL, `${name}.ts`), ...given], { env, cwd }).catch((error) => error);
  return { code: end.code ?? 0, words: `${end.stdout}${end.stderr}` };
}

/** Takes the directory as the service does, and lets it go. */
async function take(options: Parameters<typeof takeDataDirectory>[1] = {}): Promise<void> {
  const { stores, release } = await takeDataDirectory(directory, options);
  stores.database.close();
  release();
}

describe('a command makes no data directory', () => {
  test.each([
    ['accounts', 'check'],
    ['accounts', 'create', '--name', 'x'],
    ['keys', 'create'],
    ['jobs', 'sweep'],
  ])('%s %s', async (...words) => {
    const { code, words: said } = await command('no/where', words);
    expect(code).toBe(1);
    expect(said).toContain(`There is no data directory at ${join(directory, 'no/where')}:`);
    expect(readdirSync(directory)).toEqual([]);
  });

  test('nor of a path that is no data directory: empty, of others, a start that was cut off, a file', async () => {
    const asGuest = (path: string) => () => openStores(path, { isGuest: true });
    await mkdir(join(directory, 'empty'));
    await mkdir(join(directory, 'others'));
    await writeFile(join(directory, 'others', 'letter'), 'Dear');
    await mkdir(join(directory, 'cut-off'));
    await writeFile(join(directory, 'cut-off', 'state.sqlite'), '');
    for (const name of ['empty', 'others', 'cut-off', 'missing']) {
      const path = join(directory, name);
      const before = existsSync(path) && readdirSync(path);
      expect(asGuest(path), name).toThrow(`There is no data directory at ${path}`);
      expect(existsSync(path) && readdirSync(path)).toEqual(before);
    }
    expect(asGuest(join(directory, 'others', 'letter'))).toThrow('letter');
  });
});

describe('the service begins anew only where nothing was', () => {
  test('where nothing is, or nothing but files of the operator', async () => {
    await writeFile(join(directory, 'secret'), 'x'.repeat(43));
    await take();
    await take({ mustExist: true });
  });

  test.each([
    ['the files of callers', () => mkdir(join(directory, 'objects/in/acc_local'), { recursive: true }), 'objects/in'],
    ['results', () => mkdir(join(directory, 'objects/out/acc_local'), { recursive: true }), 'objects/out'],
    ['data not yet in the database', () => writeFile(join(directory, 'state.sqlite-wal'), 'x'), 'state.sqlite-wal'],
    ['an earlier version', () => writeFile(join(directory, 'state-version-9.sqlite'), 'x'), 'state-version-9.sqlite'],
    ['half a return', () => mkdir(join(directory, 'restoring-1')), 'restoring-1'],
  ])('not where there is %s', async (_what, make, name) => {
    await make();
    await expect(take()).rejects.toThrow(`${directory} has ${name} of an installation, but no state.sqlite`);
    expect(existsSync(join(directory, 'state.sqlite'))).toBe(false);
  });

  test('not where REQUIRE_DATA asks for data', async () => {
    for (const path of [directory, join(directory, 'missing')]) {
      const taken = takeDataDirectory(path, { mustExist: true });
      await expect(taken).rejects.toThrow(`There is no data directory at ${path}, and REQUIRE_DATA asks for one`);
    }
    expect(readdirSync(directory)).toEqual([]);
  });

  test('not where a volume was, which is not mounted', async () => {
    const note = join(dirname(directory), `.${basename(directory)}.is-a-volume`);
    await take();
    expect(existsSync(note)).toBe(false); // it is none
    await writeFile(note, '');
    await take();
    for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
    await expect(take()).rejects.toThrow(`Mount it, or remove ${note} to begin anew`);
    expect(readdirSync(directory)).toEqual([]);
    rmSync(note);
    await take();
  });

  test('not without the files of which the database knows', async () => {
    const { stores, release } = await takeDataDirectory(directory);
    const { state, database } = stores;
    await state.createAccount(ACCOUNT);
    const job = sampleJob(Date.now());
    await state.createJob(job);
    await state.updateJob(job.id, { type: 'claim' });
    await state.updateJob(job.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] });
    database.close();
    release();
    await expect(take()).rejects.toThrow(`${join(directory, 'objects')} is empty`);
    await mkdir(join(directory, 'objects/out'), { recursive: true });
    await take();
  });
});

test.runIf(process.platform !== 'win32')('scratch may be a link to another disk, which is left as it is', async () => {
  await mkdir(join(directory, 'disk/attempt-1'), { recursive: true });
  await writeFile(join(directory, 'disk/of-others'), '');
  await symlink('disk', join(directory, 'scratch'));
  const { stores, scratchDirectory, release } = await takeDataDirectory(directory);
  await writeFile(join(scratchDirectory, 'attempt-2'), '');
  stores.database.close();
  release();
  expect(readdirSync(join(directory, 'disk')).toSorted()).toEqual(['attempt-2', 'of-others']);
  await take();
  expect(readdirSync(join(directory, 'disk'))).toEqual(['of-others']);
  rmSync(join(directory, 'disk'), { recursive: true }); // it is not mounted
  await expect(take()).rejects.toThrow(`The data directory ${directory} cannot be used: `);
});

describe('versions', () => {
  /** A database as an earlier program has left it. */
  function makeEarlier(version: number): void {
    const db = new DatabaseSync(join(directory, 'state.sqlite'));
    db.exec(`PRAGMA journal_mode = WAL; ${MIGRATIONS.slice(0, version).join(';')}; PRAGMA user_version = ${version}`);
    db.exec(`INSERT INTO accounts (id, name, created_at) VALUES ('acc_one', 'Earlier', '')`);
    db.close();
  }
  const versionIn = (path: string) => {
    const db = new DatabaseSync(path, { readOnly: true });
    const version = db.prepare('PRAGMA user_version').get()?.user_version;
    expect(db.prepare('SELECT name FROM accounts').all()).toEqual([{ name: 'Earlier' }]);
    db.close();
    return version;
  };
  const state = () => join(directory, 'state.sqlite');

  test.each([1, 7, MIGRATIONS.length - 1])('a command leaves version %i as it is', async (version) => {
    makeEarlier(version);
    const guest = () => openStores(directory, { isGuest: true });
    expect(guest).toThrow(`version ${version}; this program works with version ${MIGRATIONS.length}`);
    expect(guest).toThrow('start that of this program first');
    expect(versionIn(state())).toBe(version);
  });

  test('a command leaves a later version as it is, and so does the service', async () => {
    makeEarlier(MIGRATIONS.length);
    const db = new DatabaseSync(state());
    db.exec('PRAGMA user_version = 999');
    db.close();
    for (const isGuest of [true, false]) expect(() => openStores(directory, { isGuest })).toThrow('version 999');
    expect(versionIn(state())).toBe(999);
    expect(readdirSync(directory).filter((name) => name.startsWith('state-version'))).toEqual([]);
  });

  test.each([1, 12, MIGRATIONS.length - 1])(
    'the service keeps a copy of version %i, which is the way back',
    async (version) => {
      makeEarlier(version);
      await take();
      const copy = join(directory, `state-version-${version}.sqlite`);
      expect(versionIn(state())).toBe(MIGRATIONS.length);
      expect(versionIn(copy)).toBe(version);
      if (process.platform !== 'win32') expect(statSync(copy).mode & 0o777).toBe(0o600);
      // Back, and forth again: the half copy of a start that was cut off is in nobody's way.
      renameSync(copy, state());
      await writeFile(`${copy}.unfinished`, 'half');
      await take();
      expect(versionIn(state())).toBe(MIGRATIONS.length);
      expect(versionIn(copy)).toBe(version);
      expect(readdirSync(directory)).not.toContain(`${basename(copy)}.unfinished`);
    },
  );
});

test('data that earlier versions kept for ever goes with the upgrade, or has a time from then on', async () => {
  const version = MIGRATIONS.findIndex((sql) => sql.includes('CREATE TABLE sums'));
  const db = new DatabaseSync(join(directory, 'state.sqlite'));
  db.exec(`${MIGRATIONS.slice(0, version).join(';')}; PRAGMA user_version = ${version}`);
  db.exec(`INSERT INTO accounts (id, name, created_at) VALUES ('acc_one', '', '')`);
  const ended = { status: 'failed', finished_at: '2026-01-02T00:00:00.000Z', due_at: undefined };
  const error = { code: 'fetch-failed', title: 'A title', detail: 'erika.example', errors: [{ message: 'erika' }] };
  const given = { ...sampleJob(Date.now()), ...ended, error, client_reference: 'erika', end_user: 'erika' };
  const parameters = { ...given.parameters, prompt: 'erika' };
  const purged = { ...given, id: 'job_purged', parameters, purged_at: '2026-01-03T00:00:00.000Z' };
  const without = { ...purged, id: 'job_without', error: undefined };
  const failed = { ...given, id: 'job_failed' };
  for (const job of [purged, without, failed]) {
    db.prepare('INSERT INTO jobs (id, data) VALUES (?, ?)').run(job.id, JSON.stringify(job));
  }
  db.close();
  const { state, database } = openStores(directory);
  for (const { id, created_at } of [purged, without]) {
    const job = await state.getJob(id);
    expect(JSON.stringify(job)).not.toContain('erika');
    expect(job).toMatchObject({ id, created_at, status: 'failed', purged_at: purged.purged_at });
  }
  expect((await state.getJob(purged.id))!.error).toEqual({ code: 'fetch-failed', title: 'A title', detail: 'A title' });
  expect(await state.getJob(without.id)).not.toHaveProperty('error');
  expect(await state.getJob(failed.id)).toMatchObject({ client_reference: 'erika', due_at: Date.parse('2026-01-03') });
  expect((await state.listDueJobs(10)).map(({ id }) => id)).toEqual([failed.id]);
  database.close();
});

describe('checkpoints', () => {
  const wal = () => `${join(directory, 'state.sqlite')}-wal`;
  const nameIn = (path: string) => {
    const db = new DatabaseSync(path, { readOnly: true });
    const names = db.prepare('SELECT name FROM accounts').all();
    db.close();
    return names.map(({ name }) => name);
  };
  /** Until `state.sqlite` alone, copied to `path`, has so many accounts. */
  async function copyWhenQuiet(path: string, accounts: number): Promise<void> {
    for (;;) {
      copyFileSync(join(directory, 'state.sqlite'), path);
      if (nameIn(path).length === accounts) return;
      await sleep(50);
    }
  }

  test('in a quiet moment the file alone has everything', async () => {
    const { stores, release } = await takeDataDirectory(directory);
    await stores.state.createAccount(ACCOUNT);
    const copy = join(directory, 'copy.sqlite');
    await copyWhenQuiet(copy, 1);
    await stores.state.createAccount({ ...ACCOUNT, id: 'acc_two', name: 'Two' });
    await copyWhenQuiet(copy, 2);
    stores.database.close();
    release();
  });

  test.each(['service', 'command'])(
    'a copy that was put back beside the -wal of later is refused by the %s',
    async (who) => {
      const { stores, release } = await takeDataDirectory(directory);
      await stores.state.createAccount(ACCOUNT);
      const copies = [0, 1, 2].map((index) => join(directory, `copy-${index}`));
      await copyWhenQuiet(copies[0]!, 1);
      await stores.state.createAccount({ ...ACCOUNT, id: 'acc_two', name: 'Two' });
      await copyWhenQuiet(copies[1]!, 2);
      await stores.state.createAccount({ ...ACCOUNT, id: 'acc_three', name: 'Three' });
      // As a kill leaves them.
      const latest = join(directory, 'latest');
      copyFileSync(join(directory, 'state.sqlite'), latest);
      copyFileSync(wal(), `${latest}-wal`);
      expect(statSync(wal()).size).toBeGreaterThan(0);
      stores.database.close();
      release();

      const open = () => openDatabase(directory, { isGuest: who === 'command' }).close();
      copyFileSync(copies[0]!, join(directory, 'state.sqlite'));
      copyFileSync(`${latest}-wal`, wal());
      expect(open).toThrow(/-wal beside it are not of the same moment.*move .*-wal and .*-shm away/);
      expect(open).toThrow('not of the same moment'); // it was only looked at
      // As it says: the copy alone; or all of the latest.
      for (const end of ['-wal', '-shm']) rmSync(join(directory, `state.sqlite${end}`), { force: true });
      open();
      expect(nameIn(join(directory, 'state.sqlite'))).toEqual(['One']);
      copyFileSync(latest, join(directory, 'state.sqlite'));
      copyFileSync(`${latest}-wal`, wal());
      open();
      expect(nameIn(join(directory, 'state.sqlite')).toSorted()).toEqual(['One', 'Three', 'Two']);
    },
  );

  /** A checkpoint writes page after page, the first one first, which tells how many there are. */
  test.each([
    ['its first page', (pages: number) => 1 / pages],
    ['half of its pages', () => 0.5],
    ['all but its last', (pages: number) => 1 - 1 / pages],
    ['nothing', () => 0],
    ['all', () => 1],
  ])('one that was broken off after %s loses nothing', async (_, share) => {
    const { stores, release } = await takeDataDirectory(directory);
    const path = join(directory, 'state.sqlite');
    for (let i = 0; i < 40; i++) await stores.state.createAccount({ ...ACCOUNT, id: `acc_${i}` });
    await copyWhenQuiet(join(directory, 'copy.sqlite'), 40);
    stores.database.exec(`UPDATE accounts SET name = printf('%.*c', 5000, 'x')`);
    const old = readFileSync(path); // at once: no checkpoint comes between
    const log = readFileSync(wal());
    await expect.poll(() => statSync(path).size).toBeGreaterThan(old.length + 40 * 4096);
    await copyWhenQuiet(join(directory, 'copy.sqlite'), 40);
    const whole = readFileSync(path);
    stores.database.close();
    release();

    const page = whole.readUInt16BE(16);
    const written = Math.round(share(whole.length / page) * (whole.length / page)) * page;
    rmSync(`${path}-shm`, { force: true });
    await writeFile(path, Buffer.concat([whole.subarray(0, written), old.subarray(written)]));
    await writeFile(wal(), log);
    openDatabase(directory, { isGuest: true }).close();
    const { stores: again, release: end } = await takeDataDirectory(directory);
    expect(again.database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(nameIn(path)).toEqual(Array.from({ length: 40 }, () => 'x'.repeat(5000)));
    again.database.close();
    end();
  });

  test('deleted words are in no free page', async () => {
    const { stores, release } = await takeDataDirectory(directory);
    const word = 'erika@example.org';
    for (let i = 0; i < 40; i++)
      await stores.state.createAccount({ ...ACCOUNT, id: `acc_${i}`, name: word.repeat(200) });
    stores.database.exec('DELETE FROM accounts WHERE rowid % 2');
    stores.database.exec(`UPDATE accounts SET name = ''`);
    stores.database.close();
    release();
    const bytes = readFileSync(join(directory, 'state.sqlite'));
    expect(bytes.includes(word)).toBe(false);
  });
});

test.runIf(process.getuid?.() === 0)('a file of another user is named with both users', async () => {
  await take();
  const program = `
    const { openStores } = await import(${JSON.stringify(join(LOCAL, 'stores.ts'))}); // which that user may not read
    process.setgid(65534); process.setuid(65534);
    try { openStores(${JSON.stringify(directory)}); } catch (error) { console.log(error.message); }`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
  expect(stdout).toContain(`${directory} belongs to user 0, and this runs as user 65534.`);
});
