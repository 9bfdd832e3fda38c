import { join } from 'node:path';
import { openDatabase } from '../shared/adapters/local/database.ts';
import { createFileObjectStore } from '../shared/adapters/local/file-object-store.ts';
import { createSqliteJobQueue } from '../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../shared/adapters/local/sqlite-state-store.ts';
import { AppError } from '../shared/error.ts';
import { MAX_RECEIVES } from '../shared/limits.ts';
import { readSecret, readSigningKey } from './secrets.ts';

const DEAD_LETTERS = 'dead-letters';

export interface StoreOptions {
  /** Unfinished jobs of one key, where the key itself says nothing. Default: any number. */
  inflightCap?: number | undefined;
}

/** The three ports on one data directory, which is created when it is missing. Throws `unavailable`, and `conflict`. */
export function openStores(dataDirectory: string, options: StoreOptions = {}) {
  try {
    return open(dataDirectory, options);
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

function open(dataDirectory: string, { inflightCap }: StoreOptions) {
  const now = Date.now;
  const database = openDatabase(dataDirectory);
  const objectsDirectory = join(dataDirectory, 'objects');
  return {
    database,
    objectsDirectory,
    signingKey: readSigningKey(join(dataDirectory, 'signing-key.json')),
    state: createSqliteStateStore(database, { now, ...(inflightCap !== undefined && { inflightCap }) }),
    queue: createSqliteJobQueue(database, { name: 'jobs', now, maxReceives: MAX_RECEIVES, deadLetters: DEAD_LETTERS }),
    deadLetters: createSqliteJobQueue(database, { name: DEAD_LETTERS, now }),
    objects: createFileObjectStore({
      directory: objectsDirectory,
      secret: readSecret(join(dataDirectory, 'secret')),
      now,
    }),
  };
}
