import { mkdirSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createApp } from '../functions/api/app.ts';
import { reap } from '../functions/reap/reap.ts';
import { createEngine } from '../gpu-worker/engine.ts';
import { runWorker } from '../gpu-worker/worker.ts';
import { claimOwnership, recoverAfterCrash } from '../shared/adapters/local/database.ts';
import { removeUnfinishedObjects } from '../shared/adapters/local/file-object-store.ts';
import { AppError } from '../shared/error.ts';
import { DRAIN_SECONDS } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import { MODEL_IDS } from '../shared/models.ts';
import { createFirstKey } from './account.ts';
import { createBlobRoutes } from './blob-routes.ts';
import type { Config } from './config.ts';
import { createHttpServer } from './http-server.ts';
import { openStores } from './stores.ts';

export interface Service {
  /** Where it listens. */
  url: string;
  /** The secret of the first API key, when this start created it. */
  firstKey: string | undefined;
  /** Stops taking requests, gives the running job back, closes the stores. */
  close(): Promise<void>;
}

const REAP_EVERY_MILLISECONDS = 10_000;

/**
 * API, queue and worker on the embedded stores of one data directory, which this process then owns.
 * Throws `conflict` when the directory has an owner or the port is taken.
 */
export async function startService(config: Config, log: Log): Promise<Service> {
  const { dataDirectory, limits } = config;
  const release = claimOwnership(dataDirectory);
  const stores = openStores(dataDirectory);
  recoverAfterCrash(stores.database);
  await removeUnfinishedObjects(stores.objectsDirectory);
  const scratchDirectory = join(dataDirectory, 'scratch');
  emptyDirectory(scratchDirectory);

  const deps = { ...stores, installedModels: MODEL_IDS, limits, log, now: Date.now, publicUrl: config.publicUrl };
  const engine = createEngine({ device: config.device, log });
  // A service that took jobs and could not run them would be worse than none.
  if (config.device !== 'cpu') await engine.checkDevice();
  const app = createApp(deps);
  app.route('/blobs', createBlobRoutes(deps));
  const server = createHttpServer(app.fetch);
  await listen(server, config);

  const firstKey = await createFirstKey(stores.state);
  const drain = new AbortController();
  const worker = runWorker({ ...deps, engine, scratchDirectory }, drain.signal);
  const reaper = startReaper(() => reap(deps), log);

  return {
    url: `http://${config.host}:${(server.address() as AddressInfo).port}`,
    firstKey,
    async close() {
      drain.abort();
      server.close();
      server.closeAllConnections();
      const timeout = AbortSignal.timeout(DRAIN_SECONDS * 1000);
      await Promise.race([worker, new Promise((resolve) => timeout.addEventListener('abort', resolve))]);
      await reaper.stop();
      await engine.close();
      stores.database.close();
      release();
    },
  };
}

function listen(server: Server, { host, port }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      reject(taken ? new AppError('conflict', `Port ${port} of ${host} is taken; choose another with PORT.`) : error);
    });
    server.listen(port, host, resolve);
  });
}

/** One sweep after the other, the first at once: a restart continues what the last process left. */
function startReaper(sweep: () => Promise<void>, log: Log) {
  let stopped = false;
  let wake = () => {};
  async function loop() {
    while (!stopped) {
      await sweep().catch((error: unknown) => log.error('reap.failed', { error }));
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, REAP_EVERY_MILLISECONDS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (stopped) wake();
      });
    }
  }
  const ended = loop();
  return {
    stop: () => {
      stopped = true;
      wake();
      return ended;
    },
  };
}

/** What an earlier process left there belongs to nobody. */
function emptyDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
}
