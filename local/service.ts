import type { Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { createApp } from '../functions/api/app.ts';
import { createWebsite } from '../functions/api/website.ts';
import { runNotifier } from '../functions/notify/notify.ts';
import { reap } from '../functions/reap/reap.ts';
import { createEngine } from '../gpu-worker/engine.ts';
import { checkHeicDecoder } from '../gpu-worker/images/heic.ts';
import { listInstalled } from '../gpu-worker/models/installed.ts';
import { runWorker } from '../gpu-worker/worker.ts';
import { createGuardedFetch } from '../shared/adapters/node/guarded-fetch.ts';
import { AppError } from '../shared/error.ts';
import { countEvents } from '../shared/event-metrics.ts';
import { DRAIN_SECONDS } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import { createMetrics } from '../shared/metrics.ts';
import { createRateLimiter } from '../shared/rate-limit.ts';
import { createSigner } from '../shared/signature.ts';
import { createFirstKey } from './account.ts';
import { createBlobRoutes } from './blob-routes.ts';
import type { Config } from './config.ts';
import { takeDataDirectory } from './data-directory.ts';
import { createHttpServer } from './http-server.ts';
import { createStorageRoom } from './storage-room.ts';
import { buildWebsite } from './website-files.ts';

export interface Service {
  /** Where it listens. */
  url: string;
  /** The secret of the first API key, when this start created it. */
  firstKey: string | undefined;
  /** Stops taking requests, gives the running job back, closes the stores. */
  close(): Promise<void>;
}

const REAP_EVERY_MILLISECONDS = 10_000;
const NOTIFIER_GRACE_MILLISECONDS = 1_000;

/**
 * API, queue and worker on the embedded stores of one data directory, which this process then owns.
 * Throws `conflict` when the directory has an owner or the port is taken, `unavailable` when either cannot be used.
 */
export async function startService(config: Config, plainLog: Log): Promise<Service> {
  const { dataDirectory, modelsDirectory, limits, prices, rateLimits } = config;
  const inflightCap = rateLimits?.inflight.quota;
  const { stores, scratchDirectory, release } = await takeDataDirectory(dataDirectory, { inflightCap });

  const metrics = createMetrics();
  const log = countEvents(plainLog, metrics);
  const installedModels = await listInstalled(modelsDirectory);
  const signer = await createSigner(stores.signingKey);
  const outbound = createGuardedFetch(config.outbound);
  const deps = {
    ...stores,
    signer,
    installedModels,
    limits,
    prices,
    log,
    metrics,
    now: Date.now,
    publicUrl: config.publicUrl,
    outbound,
    // A probe that a kill cuts off goes with all that is there at the next start.
    room: createStorageRoom({ directory: scratchDirectory, minFreeBytes: config.minFreeBytes }),
  };
  const engine = createEngine({ device: config.device, modelsDirectory, log });
  // A service that took jobs and could not run them would be worse than none.
  if (limits.heic) checkHeicDecoder();
  if (config.device !== 'cpu') await engine.checkDevice();
  const limiter = rateLimits && createRateLimiter({ limits: rateLimits, now: Date.now });
  const app = createApp({ ...deps, ...(limiter && { limiter }) });
  app.route('/blobs', createBlobRoutes(deps));
  const server = createHttpServer(createWebsite(app.fetch, { load: buildWebsite }).fetch);
  await listen(server, config);

  const firstKey = await createFirstKey(stores.state);
  const drain = new AbortController();
  const worker = runWorker({ ...deps, engine, scratchDirectory }, drain.signal);
  const notifier = runNotifier(deps, drain.signal);
  const reaper = startReaper(() => reap(deps), log);

  return {
    url: urlOf(config.host, server),
    firstKey,
    async close() {
      drain.abort();
      server.close();
      server.closeAllConnections();
      const timeout = AbortSignal.timeout(DRAIN_SECONDS * 1000);
      await Promise.race([worker, new Promise((resolve) => timeout.addEventListener('abort', resolve))]);
      await reaper.stop();
      // What is under way is repeated after the next start, with the same id.
      await Promise.race([notifier, new Promise((resolve) => setTimeout(resolve, NOTIFIER_GRACE_MILLISECONDS))]);
      await engine.close();
      stores.database.close();
      release();
    },
  };
}

function listen(server: Server, { host, port }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(new AppError('conflict', `Port ${port} of ${host} is taken; choose another with PORT.`));
      } else reject(new AppError('unavailable', `It cannot listen at HOST=${host}, PORT=${port}: ${error.message}.`));
    });
    server.listen(port, host, resolve);
  });
}

function urlOf(host: string, server: Server): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
}

/** One sweep after the other, the first at once: a restart continues what the last process left. */
function startReaper(sweep: () => Promise<unknown>, log: Log) {
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
