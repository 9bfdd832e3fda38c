import { execFile } from 'node:child_process';
import { closeSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takeDataDirectory } from '../../local/data-directory.ts';
import { openStores } from '../../local/stores.ts';
import type { JobView } from '../../shared/api.ts';
import type { Problem } from '../../shared/error.ts';
import { createApiKey } from '../../shared/keys.ts';
import { makeDirectory, openLocalStores } from '../support/local-stores.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';
import { bodyOf, createService, upload } from '../support/service.ts';

/** Damage, before a start and while a service runs, and `npm run check-data`. */

const run = promisify(execFile);
const PROGRAM = join(import.meta.dirname, '../../local/check-data.ts');
const RESULT = 'a result';

let directory: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ directory, remove } = await makeDirectory());
});
afterEach(() => remove());

async function checkData(...given: string[]): Promise<{ code: number; words: string }> {
  const env = { PATH: process.env.PATH, DATA_DIR: directory };
  const end = await run(process.execPath, [PROGRAM, ...given], { env }).catch((error) => error);
  return { code: end.code ?? 0, words: `${end.stdout}${end.stderr}` };
}

/** An account with a key, a result, and a message. Returns the path of the result. */
async function fill(): Promise<string> {
  const { state, objects, queue, database } = openStores(directory);
  const created_at = '2026-01-01T00:00:00.000Z';
  await state.createAccount({ id: 'acc_one', name: 'One', created_at });
  const { key, hash } = await createApiKey({ account: 'acc_one', name: 'x', scopes: ['jobs:read'], now: Date.now() });
  await state.createKey(key, hash);
  const job = sampleJob(Date.now());
  await state.createJob(job);
  await queue.send({ jobId: job.id, tenant: job.account });
  await state.updateJob(job.id, { type: 'claim' });
  const name = `out/acc_one/${job.id}/1.png`;
  await objects.put(name, new Blob([RESULT]).stream(), { contentType: 'image/png' });
  const output = { ...SAMPLE_OUTPUT, key: name, bytes: RESULT.length };
  await state.updateJob(job.id, { type: 'succeed', attempt: 1, output, notes: [] });
  database.close();
  return join(directory, 'objects', name);
}

/** As a disk does it: the page where the table or index begins has other bytes. */
function damage(name: string): void {
  const path = join(directory, 'state.sqlite');
  const database = new DatabaseSync(path);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  const page = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(name)!.rootpage as number;
  const { page_size } = database.prepare('PRAGMA page_size').get() as { page_size: number };
  database.close();
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(page_size, 0xa5), 0, page_size, (page - 1) * page_size);
  closeSync(file);
}

test.each(['messages', 'keys', 'accounts', 'keys_of_account', 'messages_in_order', 'tenants', 'client_tokens'])(
  'a service does not start with damaged pages of %s, and says so in words',
  async (name) => {
    await fill();
    damage(name);
    const error = await takeDataDirectory(directory).catch((thrown: Error) => thrown);
    expect((error as Error).name).toBe('AppError');
    expect((error as Error).message).toMatch(/damaged.*npm run check-data tells more/);
    const { code, words } = await checkData();
    expect(code).toBe(1);
    expect(words).toContain(`${join(directory, 'state.sqlite')}: `);
    expect(words).toContain('bring back a backup');
    expect(words).not.toMatch(/^\s+at /m);
  },
);

test.each(['jobs', 'ledger', 'uploads', 'jobs_due', 'deliveries'])(
  'check-data sees damaged pages of %s',
  async (name) => {
    await fill();
    damage(name);
    expect((await checkData()).code).toBe(1);
  },
);

describe('check-data', () => {
  test('finds nothing where all is right, and makes nothing where nothing is', async () => {
    expect(await checkData()).toMatchObject({
      code: 1,
      words: expect.stringContaining('There is no data directory at'),
    });
    await fill();
    expect(await checkData()).toEqual({ code: 0, words: 'All is right.\n' });
  });

  const asDatabase = (sql: string) => () => {
    const database = new DatabaseSync(join(directory, 'state.sqlite'));
    database.exec(sql);
    database.close();
  };
  test.each<[string, (result: string) => void, string]>([
    ['a result is missing', (result) => rmSync(result), 'is missing.'],
    ['a result is cut off', (result) => truncateSync(result, 3), 'instead of 8.'],
    ['a key is empty', () => writeFileSync(join(directory, 'secret'), ''), 'secret is missing or empty.'],
    ['a key is missing', () => rmSync(join(directory, 'signing-key.json')), 'signing-key.json is missing or empty.'],
    ['money is missing', asDatabase('UPDATE accounts SET balance = 5'), 'acc_one: The balance is 5'],
    [
      'the database is another file',
      () => writeFileSync(join(directory, 'state.sqlite'), 'x'.repeat(5000)),
      'not a database',
    ],
    ['the database is cut off', () => truncateSync(join(directory, 'state.sqlite'), 8192), 'state.sqlite: '],
  ])('says that %s', async (_, change, rule) => {
    change(await fill());
    expect(await checkData()).toMatchObject({ code: 1, words: expect.stringContaining(rule) });
  });

  test('reads the results where it is asked to', async () => {
    await fill(); // whose bytes are not those of its sha256
    expect(await checkData('--hashes')).toMatchObject({
      code: 1,
      words: expect.stringContaining('has other bytes than it was made with'),
    });
  });
});

test('damage that is met in the middle: 503, nothing taken for nothing, and /readyz tells', async () => {
  await fill();
  damage('messages');
  const { state, queue, database } = openLocalStores(directory);
  const service = await createService({ state, queue });
  for (const upload_id of [await upload(service), await upload(service)]) {
    const problem = await bodyOf<Problem>(service.call('POST', '/v1/jobs', { json: { input: { upload_id } } }));
    expect(problem).toMatchObject({ status: 503, code: 'unavailable', charged: false });
  }
  expect((await service.call('GET', '/readyz')).status).toBe(503);
  const { data } = await bodyOf<{ data: JobView[] }>(service.call('GET', '/v1/jobs'));
  expect(data.map(({ status, charge }) => [status, charge.state])).toEqual([
    ['succeeded', 'captured'],
    ['canceled', 'released'],
  ]);
  await service.close();
  database.close();
});
