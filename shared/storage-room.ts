import { AppError } from './error.ts';

/** Free space of the place where an installation keeps its files. */
export interface StorageRoom {
  /** Throws `storage-full` where so many bytes more would leave less than the reserve, which is for running work. */
  check(bytes?: number): Promise<void>;
  /**
   * As `check`, beside all that is held for files on their way, of which `holder` has no more than its share
   * (shared/places.ts). Returns how to give it back.
   */
  hold(holder: string, bytes: number): Promise<() => void>;
  /** As `check`, and writes so many bytes for a moment: a quota may refuse them although there is room. */
  probe(bytes: number): Promise<void>;
  freeBytes(): Promise<number>;
}

const RETRY_SECONDS = 60;
/** POSIX; EFBIG is how a limit of the process or of the file system on the size of one file is told. */
const FILE_CODES: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];
/** The same in the words of C libraries: libvips gives no code. */
const FILE_WORDS = /no space left on device|disk quota exceeded|file too large/i;
/** SQLITE_FULL; SQLITE_IOERR_WRITE and SQLITE_IOERR_SHMSIZE, its codes for a quota. */
const SQLITE_CODES: readonly unknown[] = [13, 778, 4874];

/** `storage-full` for an error of files or of SQLite that means it, any other error as it is. */
export function asStorageFull(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof AppError) return error;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  const isFull =
    FILE_CODES.includes(code) ||
    SQLITE_CODES.includes(errcode) ||
    (code === undefined && FILE_WORDS.test(error.message));
  if (!isFull) return error;
  return storageFull('The storage of the service took no more bytes: it is full, or its quota is used up.', error);
}

export function isStorageFull(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'storage-full';
}

export function storageFull(message: string, cause?: unknown): AppError {
  return new AppError('storage-full', message, { cause, headers: { 'Retry-After': String(RETRY_SECONDS) } });
}
