import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { AppError } from '../../error.ts';
import { isDatabaseLocked } from '../../store-error.ts';

/**
 * A commit is in `state.sqlite-wal` first; a checkpoint brings it into `state.sqlite`. Each checkpoint is counted by
 * the first thing that is in the -wal after it. So the two files tell whether they belong together: the count of both
 * is at most one more than that of `state.sqlite` alone. A copy that was put back beside the later -wal has missed
 * more. A checkpoint that was broken off (a kill, a full disk) may leave a `state.sqlite` that cannot be read alone: then
 * both belong together if nothing is wrong with them together.
 */

const LOOK_EVERY_MILLISECONDS = 250;
/** Then it is brought in though there is no quiet moment: a process that starts after a crash reads all of it. */
const MOST_WAL_BYTES = 16 * 1024 * 1024;
/** The owner may be in the middle of a checkpoint. */
const LOOKS = 3;

/** A migration of schema.ts. */
export const CHECKPOINTS_TABLE = `
  CREATE TABLE checkpoints (number INTEGER NOT NULL) STRICT;
  INSERT INTO checkpoints VALUES (0);
`;

/** Before the database is opened for writing, which would bring the -wal in. Throws `conflict`: it belongs to another file. */
export function checkWal(directory: string): void {
  const path = join(directory, 'state.sqlite');
  if (!sizeOf(`${path}-wal`)) return;
  for (let look = 1; ; look++) {
    const together = readCount(path);
    if (together === undefined) return; // of a version that did not count, or the process that opens it names the fault
    const alone = readCount(path, { isAlone: true });
    if (together === alone || together === (alone ?? 0) + 1) return;
    if (look < LOOKS) continue;
    if (alone === undefined && isSound(path)) return;
    const advice = `move ${path}-wal and ${path}-shm away to go on with ${path} as it is, or put back the file that they belong to`;
    throw new AppError(
      'conflict',
      `${path} and the -wal beside it are not of the same moment, as after a copy was put back: ${advice}.`,
    );
  }
}

/** For the owner: checkpoints at quiet moments, so that `state.sqlite` soon has everything. Ends when `db` is closed. */
export function keepCheckpoints(db: DatabaseSync, directory: string): void {
  db.exec('PRAGMA wal_autocheckpoint = 0');
  const wal = join(directory, 'state.sqlite-wal');
  const count = db.prepare('UPDATE checkpoints SET number = number + 1');
  const begin = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)');
  let seen = '';
  let clean = '';
  const bringIn = () => {
    const state = stateOf(wal);
    try {
      if (begin.get()?.busy !== 0) return;
      count.run();
      clean = stateOf(wal);
    } catch (error) {
      // The next writer meets with the same and tells of it.
      if (!isDatabaseLocked(error)) clean = state;
    }
  };
  const timer = setInterval(() => {
    if (!db.isOpen) return clearInterval(timer);
    const state = stateOf(wal);
    const isQuiet = state === seen;
    seen = state;
    if (state !== clean && (isQuiet || sizeOf(wal) >= MOST_WAL_BYTES)) bringIn();
  }, LOOK_EVERY_MILLISECONDS);
  timer.unref();
  bringIn();
}

/** Undefined where there is none, or it cannot be read. */
function readCount(path: string, { isAlone = false } = {}): number | undefined {
  const url = pathToFileURL(path);
  if (isAlone) url.searchParams.set('immutable', '1');
  return readIn(url, (db) => db.prepare('SELECT number FROM checkpoints').get()?.number as number | undefined);
}

function isSound(path: string): boolean {
  return readIn(path, (db) => db.prepare('PRAGMA quick_check').get()?.quick_check === 'ok') ?? false;
}

/** What `read` returns; undefined where it throws. */
function readIn<T>(path: string | URL, read: (db: DatabaseSync) => T): T | undefined {
  let db: DatabaseSync | undefined;
  try {
    // A reader brings nothing in when it closes.
    db = new DatabaseSync(path, { readOnly: true });
    return read(db);
  } catch {
    return undefined;
  } finally {
    db?.close();
  }
}

function stateOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false, bigint: true });
  return stats ? `${stats.size} ${stats.mtimeNs}` : '';
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
