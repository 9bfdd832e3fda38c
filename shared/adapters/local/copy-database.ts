import { chmodSync, closeSync, fsyncSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

/**
 * Writes the database as it is at this moment, despite concurrent writes, into one new file that is on disk when this
 * returns: for its user only, without pages that are free. Nobody has to wait.
 */
export function copyDatabase(db: DatabaseSync, path: string): void {
  // Made first, so that nobody else can read it while it is written; SQLite takes an empty file for none.
  closeSync(openSync(path, 'wx', 0o600));
  db.prepare('VACUUM INTO ?').run(path);
  chmodSync(path, 0o600);
  const file = openSync(path, 'r+');
  fsyncSync(file);
  closeSync(file);
}
