import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openStores } from '../../local/stores.ts';
import { makeDirectory } from '../support/local-stores.ts';
import { sampleJob } from '../support/sample-job.ts';

/** `npm run jobs -- erase` and `npm run accounts -- delete`. */

const run = promisify(execFile);
let directory: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ directory, remove } = await makeDirectory());
});
afterEach(() => remove());

async function command(...[name, ...given]: string[]) {
  const env = { PATH: process.env.PATH, DATA_DIR: directory };
  const program = join(import.meta.dirname, `../../local/${name}.ts`);
  const end = await run(process.execPath, [program, ...given], { env }).catch((error) => error);
  return { code: end.code ?? 0, words: `${end.stdout}${end.stderr}` };
}

test('a person, then the whole customer, of whom nothing is left in the file but money', async () => {
  const { state, database } = openStores(directory);
  await state.createAccount({ id: 'acc_one', name: 'studio-schmidt', created_at: '2026-01-01T00:00:00.000Z' });
  await state.topUp({ account: 'acc_one', amount: 100, payment: 'invoice-1' });
  const now = Date.now();
  const [erika, hans] = ['erika', 'hans'].map((end_user) =>
    sampleJob(now, { end_user, client_reference: `${end_user}@example.org`, price: 7 }),
  );
  for (const job of [erika!, hans!]) await state.createJob(job);
  database.close();

  const person = await command('jobs', 'erase', '--end-user', 'erika', '--account', 'acc_one', '--json');
  expect(person.code).toBe(0);
  expect(JSON.parse(person.words)).toEqual({ account: 'acc_one', end_user: 'erika', jobs: 1, running: 0 });
  const bytes = () => readFileSync(join(directory, 'state.sqlite'));
  expect([bytes().includes('erika'), bytes().includes('hans@example.org')]).toEqual([false, true]);

  const customer = await command('accounts', 'delete', 'acc_one');
  expect(customer).toMatchObject({ code: 0, words: expect.stringContaining('1 jobs were erased.') });
  for (const word of ['hans', 'schmidt']) expect(bytes().includes(word), word).toBe(false);
  expect(await command('accounts', 'balance', '--account', 'acc_one')).toEqual({ code: 0, words: '100\n' });
  expect(await command('accounts', 'check')).toEqual({ code: 0, words: 'All is right.\n' });
  expect((await command('jobs', 'sweep')).words).toContain('2 deleted jobs were erased');

  expect((await command('accounts', 'delete')).code).toBe(2);
  expect((await command('accounts', 'delete', 'acc_none')).words).toContain('There is no account acc_none');
  expect((await command('jobs', 'erase')).code).toBe(2);
});
