import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { keepCheckpoints } from '../shared/adapters/local/checkpoints.ts';
import { claimOwnership, recoverAfterCrash } from '../shared/adapters/local/database.ts';
import { removeUnfinishedObjects } from '../shared/adapters/local/file-object-store.ts';
import { outwaitLock } from '../shared/adapters/local/outwait-lock.ts';
import { checkSmallTables } from './check-database.ts';
import { checkInstallation, confirmInstallation } from './installation.ts';
import { PROBE } from './storage-room.ts';
import { openStores, type StoreOptions, unusable } from './stores.ts';

interface TakeOptions extends StoreOptions {
  /** There must be data already. */
  mustExist?: boolean | undefined;
}

/**
 * Makes this process the owner of the data directory and cleans up after the last one, which may have been killed.
 * Throws `conflict` when the directory has an owner, `unavailable` when it cannot be used, and the errors of
 * checkInstallation.
 */
export async function takeDataDirectory(directory: string, { mustExist, ...options }: TakeOptions = {}) {
  const taken: (() => void)[] = [];
  const release = () => {
    for (const giveBack of taken.splice(0)) giveBack();
  };
  try {
    checkInstallation(directory, { mustExist });
    taken.push(claimOwnership(directory));
    const scratchDirectory = join(directory, 'scratch');
    // First, so that the rest has room where the last process filled the storage.
    mkdirSync(scratchDirectory, { recursive: true, mode: 0o700 });
    clear(scratchDirectory, ['attempt-', 'probe-', PROBE]);
    const stores = openStores(directory, options);
    taken.unshift(() => stores.database.isOpen && stores.database.close());
    checkSmallTables(stores.database);
    confirmInstallation(directory, stores.database);
    mkdirSync(stores.objectsDirectory, { recursive: true, mode: 0o700 });
    for (const probed of [directory, stores.objectsDirectory]) clear(probed, [PROBE]);
    await removeUnfinishedObjects(stores.objectsDirectory);
    await outwaitLock(() => recoverAfterCrash(stores.database));
    keepCheckpoints(stores.database, directory);
    return { stores, scratchDirectory, release };
  } catch (error) {
    release();
    throw unusable(directory, error);
  }
}

/** Of our own entries. The folder stays: it may be another disk, with things of its own, or a link to one. */
function clear(folder: string, prefixes: readonly string[]): void {
  for (const name of readdirSync(folder)) {
    if (prefixes.some((prefix) => name.startsWith(prefix)))
      rmSync(join(folder, name), { recursive: true, force: true });
  }
}
