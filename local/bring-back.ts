import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { claimOwnership } from '../shared/adapters/local/database.ts';
import { checkNotLater } from '../shared/adapters/local/migrate.ts';
import { AppError } from '../shared/error.ts';
import { checkDatabase } from './check-database.ts';
import { copyChecked, giveTo, SUMS, syncFolders } from './checked-copy.ts';
import { KEY_FILES } from './stores.ts';

/** Of a volume. */
const NEVER_MIND = ['lost+found', 'owner.sqlite'];
const LINE = /^([0-9a-f]{64}) [ *](.+)$/;
const PATH = /^(?:[\w-][\w.-]*\/)*[\w-][\w.-]*$/;

/**
 * Makes a data directory of a backup, which a service can start in, or leaves it as empty as it was. Returns the number of
 * files. Throws `not-found`, `conflict`, `unavailable`, and errors of files.
 */
export async function bringBack(backup: string, dataDirectory: string): Promise<number> {
  const files = filesIn(backup);
  const rest = existsSync(dataDirectory) ? readdirSync(dataDirectory).filter((name) => !NEVER_MIND.includes(name)) : [];
  if (rest.length > 0) {
    const advice = 'Stop the service, and move all of it away first';
    throw new AppError('conflict', `${dataDirectory} is not empty (${rest.slice(0, 3).join(', ')}). ${advice}.`);
  }
  const isNew = !existsSync(dataDirectory);
  const release = claimOwnership(dataDirectory);
  const staged = join(dataDirectory, `restoring-${randomUUID()}`);
  const placed: string[] = [];
  try {
    const folders = new Set([dataDirectory]);
    for (const [sum, name] of files) {
      const path = join(staged, name);
      if ((await copyChecked(join(backup, name), path)) !== sum) throw damaged(join(backup, name));
      for (let folder = dirname(path); folder !== dataDirectory; folder = dirname(folder)) folders.add(folder);
    }
    checkCopy(join(staged, 'state.sqlite'), dataDirectory);
    const names = readdirSync(staged, { recursive: true }) as string[];
    giveTo(dataDirectory, staged, names);
    await syncFolders(folders);
    // The database last: a directory that has it is whole.
    for (const name of readdirSync(staged).toSorted(
      (a, b) => Number(a === 'state.sqlite') - Number(b === 'state.sqlite'),
    )) {
      renameSync(join(staged, name), join(dataDirectory, name));
      placed.push(name);
    }
    rmSync(staged, { recursive: true });
    giveTo(dataDirectory, dataDirectory, ['owner.sqlite']);
    await syncFolders([dataDirectory]);
    return files.length;
  } catch (error) {
    for (const name of ['', ...placed])
      rmSync(name ? join(dataDirectory, name) : staged, { recursive: true, force: true });
    throw error;
  } finally {
    release();
    if (isNew && placed.length === 0) rmSync(dataDirectory, { recursive: true, force: true });
  }
}

/** With the sha256 of each. */
function filesIn(backup: string): [sum: string, name: string][] {
  const path = join(backup, SUMS);
  if (!statSync(path, { throwIfNoEntry: false })) {
    throw new AppError('not-found', `${backup} is no backup, or none that is whole: it has no ${SUMS}.`);
  }
  const files = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): [string, string] => {
      const [, sum, name] = LINE.exec(line) ?? [];
      if (sum === undefined || name === undefined || !PATH.test(name)) throw damaged(path);
      return [sum, name];
    });
  for (const needed of ['state.sqlite', ...KEY_FILES]) {
    if (!files.some(([, name]) => name === needed)) throw damaged(path);
  }
  const missing = files.find(([, name]) => !existsSync(join(backup, name)));
  if (missing) throw new AppError('conflict', `The backup is not whole: ${join(backup, missing[1])} is missing.`);
  return files;
}

function checkCopy(path: string, directory: string): void {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    checkNotLater(database, directory);
    checkDatabase(database);
  } finally {
    database.close();
  }
}

function damaged(path: string): AppError {
  return new AppError(
    'conflict',
    `${path} is damaged: it differs from the file that was backed up. Nothing was brought back.`,
  );
}
