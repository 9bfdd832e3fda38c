import { describe } from 'vitest';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import { startBlobServer } from '../support/blob-server.ts';
import { makeDirectory, openLocalStores } from '../support/local-stores.ts';
import { jobQueueContract } from './job-queue.contract.ts';
import { objectStoreContract } from './object-store.contract.ts';
import { outboxContract } from './outbox.contract.ts';
import { stateClearingContract } from './state-clearing.contract.ts';
import { stateKeysContract } from './state-keys.contract.ts';
import { stateQuotasContract } from './state-quotas.contract.ts';
import { stateStoreContract } from './state-store.contract.ts';

async function open() {
  const { directory, remove } = await makeDirectory();
  const stores = openLocalStores(directory);
  const close = async () => {
    stores.database.close();
    await remove();
  };
  return { stores, advance: async (seconds: number) => stores.clock.advance(seconds), close };
}

describe('local adapters', () => {
  stateStoreContract('SQLite', async () => {
    const { stores, close } = await open();
    return { store: stores.state, clock: stores.clock, close };
  });

  outboxContract('SQLite', async () => {
    const { stores, close } = await open();
    return { store: stores.state, clock: stores.clock, close };
  });

  stateClearingContract('SQLite', async () => {
    const { stores, close } = await open();
    return { store: stores.state, clock: stores.clock, close };
  });

  stateKeysContract('SQLite', async () => {
    const { stores, close } = await open();
    return { store: stores.state, clock: stores.clock, close };
  });

  stateQuotasContract('SQLite', async (limits) => {
    const { stores, close } = await open();
    const { now } = stores.clock;
    const [store, other] = [1, 2].map(() => createSqliteStateStore(stores.database, { now, limits }));
    return { store: store!, other: other!, clock: stores.clock, close };
  });

  jobQueueContract('SQLite', async () => {
    const { stores, advance, close } = await open();
    return { queue: stores.queue, deadLetters: stores.deadLetters, advance, close };
  });

  objectStoreContract('files', async () => {
    const { stores, advance, close } = await open();
    const server = await startBlobServer(stores.objects);
    return {
      store: stores.objects,
      origin: server.origin,
      now: stores.clock.now,
      advance,
      close: async () => {
        await server.close();
        await close();
      },
    };
  });
});
