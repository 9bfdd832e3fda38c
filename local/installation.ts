import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../shared/error.ts';

/**
 * Whether a folder is a data directory, or may become one: a start in another folder, or before its volume is mounted,
 * must not begin anew in silence.
 */

/** Where files of callers are, of which the database knows. */
const FILES = ['objects/in', 'objects/out'];

/**
 * Before the service makes a database. `mustExist`: it must make none (REQUIRE_DATA). Throws `conflict` where there was an
 * installation, and `not-found` where there must be one.
 */
export function checkInstallation(directory: string, { mustExist = false } = {}): void {
  if (sizeOf(join(directory, 'state.sqlite')) > 0) return;
  const rest = remains(directory);
  if (rest !== undefined) {
    const advice = 'Put the database back (docs/data.md), or empty the folder to begin anew';
    throw new AppError('conflict', `${directory} has ${rest} of an installation, but no state.sqlite. ${advice}.`);
  }
  const note = noteOf(directory);
  if (existsSync(note)) {
    const advice = `Mount it, or remove ${note} to begin anew`;
    throw new AppError(
      'conflict',
      `${directory} has no data; it was a volume of its own, which is not mounted. ${advice}.`,
    );
  }
  if (!mustExist) return;
  const advice =
    'DATA_DIR names another folder, or its volume is not mounted. Without REQUIRE_DATA the service begins anew';
  throw new AppError(
    'not-found',
    `There is no data directory at ${directory}, and REQUIRE_DATA asks for one. ${advice}.`,
  );
}

/** Once it is one. Throws `conflict` where the files are gone of which the database knows. */
export function confirmInstallation(directory: string, database: DatabaseSync): void {
  if (!FILES.some((folder) => existsSync(join(directory, folder))) && knowsFiles(database)) {
    const folder = join(directory, 'objects');
    const advice = `Mount its volume, or put the files back; to go on without them, make the folder ${join(folder, 'out')}`;
    throw new AppError('conflict', `${folder} is empty, and the database knows of results in it. ${advice}.`);
  }
  if (isVolume(directory)) leaveNote(directory);
}

function remains(directory: string): string | undefined {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  const copies = names.filter((name) => /^state-version-\d+\.sqlite$|^restoring-/.test(name));
  const files = FILES.filter((folder) => existsSync(join(directory, folder)));
  const wal = sizeOf(join(directory, 'state.sqlite-wal')) > 0 ? ['state.sqlite-wal'] : [];
  return [...wal, ...files, ...copies][0];
}

function knowsFiles(database: DatabaseSync): boolean {
  const sql = `SELECT 1 FROM jobs WHERE urgency = 'ended' AND due_at IS NOT NULL AND data ->> '$.output.key' IS NOT NULL LIMIT 1`;
  return database.prepare(sql).get() !== undefined;
}

function isVolume(directory: string): boolean {
  return statSync(directory).dev !== statSync(dirname(directory)).dev;
}

/** Beside the folder, where it is seen when the volume is not. */
function noteOf(directory: string): string {
  return join(dirname(directory), `.${basename(directory)}.is-a-volume`);
}

function leaveNote(directory: string): void {
  const words = `SeeSR Cloud keeps its data in "${basename(directory)}", a volume of its own. While this file is here, the service does not begin anew where that has no data.\n`;
  try {
    writeFileSync(noteOf(directory), words);
  } catch {
    // Where it may not write, REQUIRE_DATA does the same.
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
