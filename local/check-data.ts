import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { checkWal } from '../shared/adapters/local/checkpoints.ts';
import { checkIsThere } from '../shared/adapters/local/database.ts';
import { createFileObjectStore } from '../shared/adapters/local/file-object-store.ts';
import { createSqliteStateStore } from '../shared/adapters/local/sqlite-state-store.ts';
import { runCommand } from '../shared/adapters/node/command.ts';
import { warnOnStandardError } from '../shared/adapters/node/warn.ts';
import { AppError } from '../shared/error.ts';
import { findLedgerProblems } from '../shared/ledger.ts';
import type { ObjectStore } from '../shared/ports.ts';
import { databaseProblems } from './check-database.ts';
import { readConfig } from './config.ts';
import { type NamedFile, namedFiles } from './named-files.ts';
import { KEY_FILES } from './stores.ts';

async function checkData(hashes: boolean): Promise<void> {
  if (process.env.TABLE) throw new AppError('invalid', 'It looks at a data directory; TABLE names a table on AWS.');
  const { dataDirectory } = readConfig(process.env, warnOnStandardError);
  const problems = await findProblems(dataDirectory, hashes);
  if (problems.length === 0) return void process.stdout.write('All is right.\n');
  process.exitCode = 1;
  const advice = `Stop the service, keep a copy of ${dataDirectory}, and bring back a backup (docs/data.md#damage).`;
  process.stdout.write(`${problems.join('\n')}\n\n${advice}\n`);
}

async function findProblems(directory: string, hashes: boolean): Promise<string[]> {
  const path = join(directory, 'state.sqlite');
  checkIsThere(directory, path);
  checkWal(directory);
  const keys = KEY_FILES.filter((name) => !statSync(join(directory, name), { throwIfNoEntry: false })?.size);
  const problems = keys.map((name) => `${join(directory, name)} is missing or empty.`);
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const damage = databaseProblems(database);
    if (damage.length > 0) return [...problems, ...damage.map((problem) => `${path}: ${problem}`)];
    const objects = createFileObjectStore({ directory: join(directory, 'objects'), secret: '', now: Date.now });
    for (const file of namedFiles(database, Date.now())) {
      const problem = await problemOf(file, objects, hashes);
      if (problem) problems.push(`${file.key} of ${file.result!.job} ${problem}.`);
    }
    return [...problems, ...(await ledgerProblems(database))];
  } finally {
    database.close();
  }
}

/** Undefined: none, or nothing that must be there. */
async function problemOf(
  { key, result }: NamedFile,
  objects: ObjectStore,
  hashes: boolean,
): Promise<string | undefined> {
  if (!result) return undefined;
  const object = await objects.get(key);
  if (!object) return 'is missing';
  if (object.bytes !== result.bytes) {
    await object.body.cancel();
    return `has ${object.bytes} bytes instead of ${result.bytes}`;
  }
  if (!hashes || !result.sha256) return void (await object.body.cancel());
  const hash = createHash('sha256');
  for await (const chunk of object.body) hash.update(chunk);
  return hash.digest('hex') === result.sha256 ? undefined : 'has other bytes than it was made with';
}

async function ledgerProblems(database: DatabaseSync): Promise<string[]> {
  const state = createSqliteStateStore(database, { now: Date.now });
  const problems: string[] = [];
  for (const { id } of await state.listAccounts()) {
    problems.push(...findLedgerProblems(await state.getStatement(id)).map((problem) => `${id}: ${problem}`));
  }
  return problems;
}

runCommand({
  name: 'check-data',
  about: `
Looks at DATA_DIR (default ./data), whether the service runs or not, and changes nothing: pages, indexes, references and rows
of the database, the ledger of each account, the keys, and whether every result is there with its length.
Ends with 0 and "All is right.", or with 1 and a line for each fault.`,
  options: { hashes: { about: 'read the results, too, and compare them with their sha256' } },
  run: ({ hashes }) => checkData(hashes),
});
