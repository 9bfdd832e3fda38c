import { statSync } from 'node:fs';
import { join } from 'node:path';
import { openDatabase } from '../shared/adapters/local/database.ts';
import { createFileObjectStore } from '../shared/adapters/local/file-object-store.ts';
import { createSqliteJobQueue } from '../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../shared/adapters/local/sqlite-state-store.ts';
import { AppError } from '../shared/error.ts';
import { MAX_RECEIVES } from '../shared/limits.ts';
import type { RateLimits } from '../shared/rate-limits.ts';
import { isDatabaseDamaged } from '../shared/store-error.ts';
import { readSecret, readSigningKey } from './secrets.ts';

const DEAD_LETTERS = 'dead-letters';
/** Made once; nothing can replace them. */
export const KEY_FILES = ['secret', 'signing-key.json'];
const DATABASES = ['state.sqlite', 'state.sqlite-wal', 'state.sqlite-shm', 'owner.sqlite'];
const OWN_NAMES = [...DATABASES, ...KEY_FILES, 'scratch', 'objects', 'objects/in', 'objects/out'];

export interface StoreOptions {
  /** Limits of accounts. Default: none. */
  limits?: RateLimits | undefined;
  /** Of a command beside the service, or without one: see openDatabase. */
  isGuest?: boolean;
  /** Milliseconds since 1970. Default: as the machine tells them. */
  now?: () => number;
}

/**
 * The three ports on one data directory, which is created when it is missing. Throws `unavailable`, `conflict`, and `not-found`
 * for a guest where there is none.
 */
export function openStores(dataDirectory: string, options: StoreOptions = {}) {
  try {
    return open(dataDirectory, options);
  } catch (error) {
    throw unusable(dataDirectory, error);
  }
}

/** Errors of files and SQLite say neither which directory it was nor that it is the data directory. */
export function unusable(dataDirectory: string, cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const words = `The data directory ${dataDirectory} cannot be used: ${reason}.${ownerOf(dataDirectory)}${adviceFor(cause)}`;
  return new AppError('unavailable', words, { cause });
}

function adviceFor(cause: unknown): string {
  return isDatabaseDamaged(cause) ? ' The database is damaged: npm run check-data tells more.' : '';
}

/** The first thing in it that belongs to another user than the one who runs this. */
function ownerOf(dataDirectory: string): string {
  const user = process.geteuid?.();
  if (user === undefined || user === 0) return '';
  for (const name of ['', ...OWN_NAMES]) {
    const path = join(dataDirectory, name);
    try {
      const { uid } = statSync(path);
      if (uid !== user) return ` ${path} belongs to user ${uid}, and this runs as user ${user}.`;
    } catch {
      // An entry that cannot be looked at lies in one that was looked at before.
    }
  }
  return '';
}

function open(dataDirectory: string, { limits, isGuest = false, now = Date.now }: StoreOptions) {
  const database = openDatabase(dataDirectory, { isGuest });
  const objectsDirectory = join(dataDirectory, 'objects');
  return {
    database,
    objectsDirectory,
    signingKey: readSigningKey(join(dataDirectory, 'signing-key.json')),
    state: createSqliteStateStore(database, { now, limits }),
    queue: createSqliteJobQueue(database, { name: 'jobs', now, maxReceives: MAX_RECEIVES, deadLetters: DEAD_LETTERS }),
    deadLetters: createSqliteJobQueue(database, { name: DEAD_LETTERS, now }),
    objects: createFileObjectStore({
      directory: objectsDirectory,
      secret: readSecret(join(dataDirectory, 'secret')),
      now,
    }),
  };
}
