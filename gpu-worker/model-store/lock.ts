import { DatabaseSync } from 'node:sqlite';

/** Primary result code of SQLite for "another connection holds the lock". */
const SQLITE_BUSY = 5;

/**
 * Makes this process the one holder of a lock file, which is created when missing, until the returned function is called
 * or the process ends, however it ends: the operating system frees it. Undefined when another holds it.
 */
export function tryLock(path: string): (() => void) | undefined {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return () => lock.close();
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}
