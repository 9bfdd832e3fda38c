import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '../shared/adapters/local/database.ts';
import { createFileObjectStore } from '../shared/adapters/local/file-object-store.ts';
import { createSqliteJobQueue } from '../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../shared/adapters/local/sqlite-state-store.ts';
import { MAX_RECEIVES } from '../shared/limits.ts';

const DEAD_LETTERS = 'dead-letters';
const SECRET_BYTES = 32;

/** The three ports on one data directory, which is created when it is missing. */
export function openStores(dataDirectory: string) {
  const now = Date.now;
  const database = openDatabase(dataDirectory);
  const objectsDirectory = join(dataDirectory, 'objects');
  return {
    database,
    objectsDirectory,
    state: createSqliteStateStore(database, { now }),
    queue: createSqliteJobQueue(database, { name: 'jobs', now, maxReceives: MAX_RECEIVES, deadLetters: DEAD_LETTERS }),
    deadLetters: createSqliteJobQueue(database, { name: DEAD_LETTERS, now }),
    objects: createFileObjectStore({
      directory: objectsDirectory,
      secret: readSecret(join(dataDirectory, 'secret')),
      now,
    }),
  };
}

/** Signs URLs; made once, and the same after every start, so that links outlive a restart. */
function readSecret(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const temporary = `${path}.${process.pid}`;
  const file = openSync(temporary, 'wx', 0o600);
  writeSync(file, randomBytes(SECRET_BYTES).toString('base64url'));
  fsyncSync(file);
  closeSync(file);
  try {
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another process was first
  } finally {
    unlinkSync(temporary);
  }
  return readFileSync(path, 'utf8');
}
