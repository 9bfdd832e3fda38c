import { AppError } from './error.ts';
import { asStorageFull } from './storage-room.ts';

const RETRY_SECONDS = 5;
/** Primary result code of SQLite for "another connection holds the lock"; the extended ones keep it in their low byte. */
const SQLITE_BUSY = 5;

/** Whether SQLite refused a statement for another's lock: nothing of it has happened. */
export function isDatabaseLocked(error: unknown): boolean {
  const { errcode } = (error ?? {}) as { errcode?: unknown };
  return error instanceof Error && typeof errcode === 'number' && (errcode & 0xff) === SQLITE_BUSY;
}

/**
 * `storage-full` or `unavailable` for an error of files or of SQLite that means that a store cannot do its work at this
 * moment, any other error as it is.
 */
export function asStoreError(error: unknown): unknown {
  if (!isDatabaseLocked(error)) return asStorageFull(error);
  return new AppError('unavailable', 'Another program keeps the database of the service locked; come again.', {
    cause: error,
    headers: { 'Retry-After': String(RETRY_SECONDS) },
  });
}

/** Nothing that a job or a receiver could do better the next time: it is no try of theirs. */
export function isStoreError(error: unknown): error is AppError {
  return error instanceof AppError && (error.code === 'storage-full' || error.code === 'unavailable');
}
