import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../shared/adapters/local/database.ts';
import { createFileObjectStore } from '../../shared/adapters/local/file-object-store.ts';
import { createSqliteJobQueue } from '../../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import { MAX_RECEIVES_UNDER_TEST } from '../contract/job-queue.contract.ts';
import { createClock } from './clock.ts';

export async function makeDirectory(): Promise<{ directory: string; remove(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-local-'));
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) };
}

/** The local adapters in `directory`, by a clock that stands still. */
export function openLocalStores(directory: string, clock = createClock()) {
  const { now } = clock;
  const database = openDatabase(directory);
  const deadLetters = 'dead-letters';
  return {
    clock,
    database,
    state: createSqliteStateStore(database, { now }),
    queue: createSqliteJobQueue(database, { name: 'jobs', now, maxReceives: MAX_RECEIVES_UNDER_TEST, deadLetters }),
    deadLetters: createSqliteJobQueue(database, { name: deadLetters, now }),
    objects: createFileObjectStore({ directory: join(directory, 'objects'), secret: 'a secret', now }),
  };
}
