import { randomBytes, randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '../shared/adapters/local/database.ts';
import { createFileObjectStore } from '../shared/adapters/local/file-object-store.ts';
import { createSqliteJobQueue } from '../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../shared/adapters/local/sqlite-state-store.ts';
import { AppError } from '../shared/error.ts';
import { MAX_RECEIVES } from '../shared/limits.ts';

const DEAD_LETTERS = 'dead-letters';
const SECRET_BYTES = 32;
const SECRET_CHARACTERS = Math.ceil((SECRET_BYTES * 8) / 6); // in base64url

/** The three ports on one data directory, which is created when it is missing. Throws `unavailable`, and `conflict`. */
export function openStores(dataDirectory: string) {
  try {
    return open(dataDirectory);
  } catch (error) {
    throw unusable(dataDirectory, error);
  }
}

/** What files and SQLite throw says neither which directory it was nor that it is the data directory. */
export function unusable(dataDirectory: string, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new AppError('unavailable', `The data directory ${dataDirectory} cannot be used: ${reason}.`, { cause });
}

function open(dataDirectory: string) {
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
  if (existsSync(path)) return checkSecret(path, readFileSync(path, 'utf8'));
  const temporary = `${path}.${randomUUID()}`;
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

/** Links that are signed with an empty or short secret could be forged. */
function checkSecret(path: string, secret: string): string {
  if (secret.length === SECRET_CHARACTERS) return secret;
  const rule = `it must have ${SECRET_CHARACTERS} characters and has ${secret.length}`;
  throw new AppError(
    'conflict',
    `${path} is damaged: ${rule}. Without the file a new one is made; old links end then.`,
  );
}
