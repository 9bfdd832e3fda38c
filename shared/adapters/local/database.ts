import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import { checkWal } from './checkpoints.ts';
import { checkVersion, migrate } from './migrate.ts';

/** While it is opened, when nothing else waits; afterwards the verbs outwait a lock without blocking (outwait-lock.ts). */
const OPENING_MILLISECONDS = 5_000;
/** Primary result code of SQLite for "another connection holds the lock". */
const SQLITE_BUSY = 5;

interface OpenOptions {
  /** Not the owner of the directory: makes no database, and leaves that of another version as it is. */
  isGuest?: boolean;
}

/**
 * State and queues of one data directory, which is created when missing (for its user only). Writes of a committed
 * transaction survive a crash of the process and of the machine, and deleted data is overwritten. Throws `not-found`
 * for a guest where there is no database, and `conflict`.
 */
export function openDatabase(directory: string, { isGuest = false }: OpenOptions = {}): DatabaseSync {
  const path = join(directory, 'state.sqlite');
  if (isGuest) checkIsThere(directory, path);
  else makeFile(directory, path);
  checkWal(directory);
  const db = new DatabaseSync(path, { timeout: OPENING_MILLISECONDS });
  try {
    if (isGuest) checkVersion(db, directory);
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON',
    );
    if (isGuest) db.exec('PRAGMA wal_autocheckpoint = 0');
    else migrate(db, directory, (work) => transaction(db, work));
    db.exec('PRAGMA busy_timeout = 0');
  } catch (error) {
    db.close();
    throw error;
  }
  return db;
}

/** Throws `not-found`. */
export function checkIsThere(directory: string, path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.size) return;
  const advice = 'DATA_DIR names another folder, or its volume is not mounted. Only the start of the service makes one';
  throw new AppError('not-found', `There is no data directory at ${resolve(directory)}: ${advice}.`);
}

function makeFile(directory: string, path: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // In a directory that others may read, SQLite would let them read its file, too; those beside it get the same mode.
  closeSync(openSync(path, 'a', 0o600));
}

/** Runs `work`, which must not await, as one transaction: when it throws, nothing of it has happened. */
export function transaction<T>(db: DatabaseSync, work: () => T): T {
  // IMMEDIATE takes the write lock now: a read that turns into a write later could not wait for it.
  return between(db, 'BEGIN IMMEDIATE', work);
}

/** Runs `work`, which must not await nor write, on the data of one moment. Holds up nobody. */
export function snapshot<T>(db: DatabaseSync, work: () => T): T {
  return between(db, 'BEGIN', work);
}

function between<T>(db: DatabaseSync, begin: string, work: () => T): T {
  db.exec(begin);
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Makes this process the one owner of the data directory until the returned function is called or the process ends,
 * however it ends. Throws `conflict` when the directory has an owner.
 */
export function claimOwnership(directory: string): () => void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // The operating system frees a file lock with its process, so that no stale lock can remain.
  const lock = new DatabaseSync(join(directory, 'owner.sqlite'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new AppError('conflict', `Another process owns the data directory ${directory}.`, { cause: error });
  }
  return () => lock.close();
}

/**
 * For the owner, before it works: every holder of a lease or a message, and every sender of one, is dead, so that all
 * of it is due at once. The number of attempts and of deliveries stays.
 */
export function recoverAfterCrash(db: DatabaseSync): void {
  transaction(db, () => {
    // The first condition is that of an index: without it, every job that there ever was would be looked at.
    db.exec(`
      UPDATE jobs SET data = json_set(data, '$.lease_until', 0)
        WHERE status IN ('awaiting_upload', 'queued', 'starting', 'running') AND status IN ('starting', 'running');
      UPDATE jobs SET data = json_set(data, '$.due_at', 0) WHERE status = 'queued' AND due_at IS NOT NULL;
      UPDATE messages SET visible_at = 0, receipt = NULL WHERE receipt IS NOT NULL;
      UPDATE deliveries SET data = json_set(data, '$.due_at', 0) WHERE claimed IS NOT NULL;
    `);
  });
}
