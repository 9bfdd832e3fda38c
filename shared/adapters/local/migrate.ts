import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import { copyDatabase } from './copy-database.ts';
import { MIGRATIONS } from './schema.ts';

/** The way back to the program that made the version. */
function earlierCopy(directory: string, version: number): string {
  return join(directory, `state-version-${version}.sqlite`);
}

/** Throws `conflict` where the database is of a later version than this program works with. */
export function checkNotLater(db: DatabaseSync, directory: string): void {
  if (versionOf(db) > MIGRATIONS.length) checkVersion(db, directory);
}

/** Throws `conflict` where it is of any other version. */
export function checkVersion(db: DatabaseSync, directory: string): void {
  const version = versionOf(db);
  if (version === MIGRATIONS.length) return;
  const known = `this program works with version ${MIGRATIONS.length}`;
  const advice =
    version > MIGRATIONS.length
      ? 'Use the program of the version that made it, or go back by the copy of the earlier version (docs/data.md).'
      : 'Its service brings it up to date when it starts: start that of this program first, or use the commands of the older one.';
  throw new AppError('conflict', `The database in ${directory} has version ${version}; ${known}. ${advice}`);
}

/**
 * For the owner: brings the database up to date, once there is a copy of how it was. `once`: runs its work as one transaction.
 * Throws `conflict`: it is of a later version.
 */
export function migrate(db: DatabaseSync, directory: string, once: (work: () => boolean) => boolean): void {
  for (;;) {
    const version = versionOf(db);
    if (version >= MIGRATIONS.length) break;
    const before = changesOfOthers(db);
    if (version > 0) keepCopy(db, earlierCopy(directory, version));
    // A command of the older program may have written after the copy: then another one is made.
    if (once(() => changesOfOthers(db) === before && step(db))) {
      if (version > 0) removeTraces(db);
    }
  }
  checkVersion(db, directory);
}

function step(db: DatabaseSync): true {
  for (const migration of MIGRATIONS.slice(versionOf(db))) db.exec(migration);
  db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  return true;
}

function keepCopy(db: DatabaseSync, path: string): void {
  const unfinished = `${path}.unfinished`;
  if (existsSync(unfinished)) rmSync(unfinished);
  copyDatabase(db, unfinished);
  renameSync(unfinished, path);
}

/** Data that earlier versions deleted is still in pages that are free now. */
function removeTraces(db: DatabaseSync): void {
  try {
    db.exec('VACUUM');
  } catch {
    // It needs room, and no readers: free pages are overwritten when they are used again.
  }
}

function versionOf(db: DatabaseSync): number {
  return (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version;
}

function changesOfOthers(db: DatabaseSync): number {
  return (db.prepare('PRAGMA data_version').get() as { data_version: number }).data_version;
}
