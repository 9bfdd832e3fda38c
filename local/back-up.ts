import { randomUUID } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { copyDatabase } from '../shared/adapters/local/copy-database.ts';
import { openDatabase } from '../shared/adapters/local/database.ts';
import { UNFINISHED } from '../shared/adapters/local/file-object-store.ts';
import { AppError } from '../shared/error.ts';
import { checkDatabase } from './check-database.ts';
import { copyChecked, giveTo, SUMS, sumOf, syncFolders } from './checked-copy.ts';
import { createIsNamed, type NamedFile, namedFiles } from './named-files.ts';
import { KEY_FILES } from './stores.ts';

/** One is repeated when a file was erased in the moment between database and files. */
const ROUNDS = 20;

export interface BackupReport {
  files: number;
  /** Results of which the database knows, and which are not there. */
  lost: string[];
}

/**
 * Copies database, files and keys of one moment, beside a running service or without one, into `target`, a new or empty
 * folder, which appears whole or not at all. Throws `conflict`, `not-found`, `unavailable`, and errors of files.
 */
export async function backUp(dataDirectory: string, target: string): Promise<BackupReport> {
  const database = openDatabase(dataDirectory, { isGuest: true });
  try {
    checkTarget(dataDirectory, target);
    const unfinished = join(dirname(target), `.${basename(target)}.unfinished-${randomUUID()}`);
    mkdirSync(unfinished, { recursive: true, mode: 0o700 });
    const held = holdFolder(join(dataDirectory, 'objects'));
    try {
      const { files, lost } = holdMoment(database, { unfinished, held, objects: join(dataDirectory, 'objects') });
      await fill(unfinished, { dataDirectory, held, files });
      if (existsSync(target)) rmdirSync(target);
      renameSync(unfinished, target);
      await syncFolders([dirname(target)]);
      return { files: files.length, lost };
    } finally {
      rmSync(held, { recursive: true, force: true });
      rmSync(unfinished, { recursive: true, force: true });
    }
  } finally {
    database.close();
  }
}

function checkTarget(dataDirectory: string, target: string): void {
  if (`${target}${sep}`.startsWith(`${dataDirectory}${sep}`)) {
    throw new AppError('invalid', `${target} is inside of the data directory, and would be lost with it.`);
  }
  const stats = statSync(target, { throwIfNoEntry: false });
  if (!stats) return void mkdirSync(dirname(target), { recursive: true });
  if (!stats.isDirectory()) throw new AppError('conflict', `${target} is there already, and is no folder.`);
  const [first] = readdirSync(target);
  if (first !== undefined) throw new AppError('conflict', `${target} is not empty (${first}); name a new folder.`);
  if (stats.dev !== statSync(dirname(target)).dev) {
    throw new AppError(
      'conflict',
      `${target} is a volume; name a new folder on it, so that a backup is there whole or not.`,
    );
  }
}

/** Links keep files that are erased meanwhile. The next start of the service removes those that a kill leaves. */
function holdFolder(objects: string): string {
  const held = join(objects, UNFINISHED, `backup-${randomUUID()}`);
  const isNew = !existsSync(objects);
  mkdirSync(held, { recursive: true, mode: 0o700 });
  giveTo(dirname(objects), join(objects, UNFINISHED), ['', basename(held)]);
  if (isNew) giveTo(dirname(objects), objects);
  return held;
}

interface Places {
  unfinished: string;
  held: string;
  objects: string;
}

/** Copies the database, and takes hold of all files that the copy knows of. */
function holdMoment(live: DatabaseSync, { unfinished, held, objects }: Places): { files: NamedFile[]; lost: string[] } {
  const path = join(unfinished, 'state.sqlite');
  const isNamed = createIsNamed(live);
  for (let round = 1; round <= ROUNDS; round++) {
    rmSync(path, { force: true });
    copyDatabase(live, path);
    const copy = new DatabaseSync(path, { readOnly: true });
    try {
      const named = namedFiles(copy, Date.now());
      const missing = named.filter((file) => !hold(join(objects, file.key), join(held, linkOf(file))));
      if (!missing.every(isNamed)) continue; // erased since
      checkDatabase(copy);
      const lost = missing.flatMap(({ key, result }) => (result ? [`${key} of ${result.job}`] : []));
      return { files: named.filter((file) => !missing.includes(file)), lost };
    } finally {
      copy.close();
    }
  }
  throw new AppError('unavailable', 'Files are erased faster than they can be copied; try again later.');
}

/** One name for each key, in one folder. */
function linkOf({ key }: NamedFile): string {
  return key.replaceAll('/', '!');
}

/** False: it is not there. */
function hold(path: string, link: string): boolean {
  if (existsSync(link)) return true;
  try {
    linkSync(path, link);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function fill(
  folder: string,
  { dataDirectory, held, files }: { dataDirectory: string; held: string; files: NamedFile[] },
) {
  const sums = [`${await sumOf(join(folder, 'state.sqlite'))}  state.sqlite`];
  const folders = new Set([folder]);
  const copy = async (from: string, name: string) => {
    sums.push(`${await copyChecked(from, join(folder, name))}  ${name}`);
    for (let path = dirname(join(folder, name)); path !== folder; path = dirname(path)) folders.add(path);
  };
  for (const name of KEY_FILES) await copy(join(dataDirectory, name), name);
  for (const file of files) await copy(join(held, linkOf(file)), `objects/${file.key}`);
  // Last: a backup that has it is whole.
  writeFileSync(join(folder, SUMS), `${sums.join('\n')}\n`, { mode: 0o600, flush: true });
  await syncFolders(folders);
}
