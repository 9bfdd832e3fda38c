import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { claimOwnership, recoverAfterCrash } from '../shared/adapters/local/database.ts';
import { removeUnfinishedObjects } from '../shared/adapters/local/file-object-store.ts';
import { outwaitLock } from '../shared/adapters/local/outwait-lock.ts';
import { openStores, type StoreOptions, unusable } from './stores.ts';

/**
 * Makes this process the owner of the data directory and puts right what the last one, perhaps killed, left there.
 * Throws `conflict` when the directory has an owner, `unavailable` when it cannot be used.
 */
export async function takeDataDirectory(directory: string, options: StoreOptions = {}) {
  try {
    const release = claimOwnership(directory);
    const scratchDirectory = join(directory, 'scratch');
    // First, so that the rest has room where the last process filled the storage.
    rmSync(scratchDirectory, { recursive: true, force: true });
    mkdirSync(scratchDirectory, { mode: 0o700 });
    const stores = openStores(directory, options);
    await removeUnfinishedObjects(stores.objectsDirectory);
    await outwaitLock(() => recoverAfterCrash(stores.database));
    return { stores, scratchDirectory, release };
  } catch (error) {
    throw unusable(directory, error);
  }
}
