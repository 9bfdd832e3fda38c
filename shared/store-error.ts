import { AppError } from './error.ts';
import { asStorageFull, isStorageFull } from './storage-room.ts';

const RETRY_SECONDS = 5;
/** Primary result codes of SQLite; the extended ones keep them in their low byte. */
const SQLITE_BUSY = 5;
const SQLITE_DAMAGED: readonly number[] = [11, 26];
/** No rights, no memory, read-only, an error of the device, a file that cannot be opened. */
const SQLITE_REFUSED: readonly number[] = [3, 7, 8, 10, 14];
/** Errors of the system to every request: no handles, no memory. */
const EXHAUSTED: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EAGAIN'];
/** The same of files: no rights, read-only, a device that is gone or broken. Of a connection it is said by its other end. */
const FILES_REFUSED: readonly unknown[] = [
  'EACCES',
  'EPERM',
  'EROFS',
  'EIO',
  'EBUSY',
  'ENODEV',
  'ENXIO',
  'ESTALE',
  'ENOTCONN',
];
const OF_CONNECTIONS = ['connect', 'getaddrinfo', 'bind', 'listen'];

/** Whether SQLite refused a statement for another's lock: nothing of it has happened. */
export function isDatabaseLocked(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_BUSY;
}

/** Whether SQLite met with pages that it did not write so. */
export function isDatabaseDamaged(error: unknown): boolean {
  return SQLITE_DAMAGED.includes(sqliteCode(error) ?? 0);
}

function sqliteCode(error: unknown): number | undefined {
  const { errcode } = (error ?? {}) as { errcode?: unknown };
  return error instanceof Error && typeof errcode === 'number' ? errcode & 0xff : undefined;
}

/**
 * `storage-full` or `unavailable` for an error of files or of SQLite that means that a store cannot do its work at this
 * moment, any other error as it is.
 */
export function asStoreError(thrown: unknown): unknown {
  const error = asStorageFull(thrown);
  if (error instanceof AppError || !(error instanceof Error)) return error;
  if (isDatabaseLocked(error)) {
    return unavailable('Another program keeps the database of the service locked; come again.', error);
  }
  if (isDatabaseDamaged(error)) {
    return unavailable('The database of the service is damaged; its operator looks with "npm run check-data".', error);
  }
  if (SQLITE_REFUSED.includes(sqliteCode(error) ?? 0)) {
    return unavailable(`The database of the service cannot be used (${error.message}).`, error);
  }
  const { code, syscall = '' } = error as NodeError;
  if (EXHAUSTED.includes(code))
    return unavailable(`The machine of the service has no more to give (${String(code)}).`, error);
  if (!FILES_REFUSED.includes(code) || OF_CONNECTIONS.includes(syscall)) return error;
  return unavailable(`The storage of the service cannot be used (${syscall}: ${String(code)}).`, error);
}

/** Whether it is one that the operating system gave, not a store. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && !(error instanceof AppError) && 'syscall' in error;
}

interface NodeError extends Error {
  code?: unknown;
  syscall?: string;
}

/** A part of the service cannot do its work at this moment: nobody's fault, and worth another try. */
export function unavailable(message: string, cause?: unknown): AppError {
  return new AppError('unavailable', message, { cause, headers: { 'Retry-After': String(RETRY_SECONDS) } });
}

/** Nothing that a job or a receiver could do better the next time: it is no try of theirs. */
export function isStoreError(error: unknown): error is AppError {
  return isStorageFull(error) || isUnavailable(error);
}

/** A store does not answer at this moment; the work may have happened all the same. */
export function isUnavailable(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'unavailable';
}
