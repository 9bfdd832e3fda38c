import type { Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { createApp } from '../functions/api/app.ts';
import { underPublicPath } from '../functions/api/origin.ts';
import { createWebsite } from '../functions/api/website.ts';
import { runNotifier } from '../functions/notify/notify.ts';
import { reap } from '../functions/reap/reap.ts';
import { checkHeicDecoder } from '../gpu-worker/images/heic.ts';
import { listModels } from '../gpu-worker/model-store/added-models.ts';
import { openEngines } from '../gpu-worker/open-engines.ts';
import { runWorkers } from '../gpu-worker/worker/run-workers.ts';
import { createGuardedFetch } from '../shared/adapters/node/guarded-fetch.ts';
import type { StandardLog } from '../shared/adapters/node/standard-log.ts';
import { boundRoom, boundStores } from '../shared/bounded-stores.ts';
import { checkCommercialUse } from '../shared/commercial-use.ts';
import { atMost } from '../shared/deadline.ts';
import { AppError } from '../shared/error.ts';
import { countEvents } from '../shared/event-metrics.ts';
import { createHealth } from '../shared/health.ts';
import { DRAIN_SECONDS } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import { methodOf } from '../shared/methods/registry.ts';
import { createMetrics } from '../shared/metrics.ts';
import { createRateLimiter } from '../shared/rate-limit.ts';
import { createSigner } from '../shared/signature.ts';
import { createFirstKey } from './account.ts';
import { createBlobRoutes } from './blob-routes.ts';
import type { Config } from './config.ts';
import { keepClock, openClock } from './data-clock.ts';
import { takeDataDirectory } from './data-directory.ts';
import { endConnections } from './end-connections.ts';
import { createHttpServer } from './http-server.ts';
import { createRefusalLog } from './refusals.ts';
import { createStorageRoom } from './storage-room.ts';
import { buildWebsite } from './website-files.ts';

export interface Service {
  /** Where it listens. */
  url: string;
  /** The secret of the first API key, when this start created it. */
  firstKey: string | undefined;
  /** Lets requests come to their end, gives the running job back, closes the stores: within DRAIN_SECONDS and some more. */
  close(): Promise<void>;
}

const REAP_EVERY_MILLISECONDS = 10_000;
const NOTIFIER_GRACE_MILLISECONDS = 1_000;
const DRAIN_MILLISECONDS = DRAIN_SECONDS * 1000;

/**
 * API, queue and worker on the embedded stores of one data directory, which this process then owns.
 * Throws `conflict` when the directory has an owner or the port is taken, `unavailable` when either cannot be used, and
 * the errors of `checkCommercialUse`.
 */
export async function startService(config: Config, plainLog: Log & Partial<StandardLog>): Promise<Service> {
  const { dataDirectory, modelsDirectory, limits, prices, rateLimits } = config;
  const metrics = createMetrics();
  const log = countEvents(plainLog, metrics);
  const clock = openClock(dataDirectory, log);
  const { now } = clock;
  const options = { limits: rateLimits, mustExist: config.requireData, now };
  const { release, scratchDirectory, ...taken } = await takeDataDirectory(dataDirectory, options);
  const stores = boundStores(taken.stores);
  const directories = [stores.objectsDirectory, scratchDirectory, dataDirectory] as const;

  const stopping = new AbortController();
  const installedModels = await listModels(modelsDirectory);
  checkCommercialUse(installedModels, prices, config.acceptsNoncommercial);
  // A service that took jobs and could not run them would be worse than none.
  if (limits.heic) checkHeicDecoder();
  const methods = installedModels.map((model) => methodOf(model).id);
  const engineOptions = { modelsDirectory, log, workers: config.workers, methods, checksDirectory: dataDirectory };
  const { engines } = await openEngines(config.devices, engineOptions);
  const signer = createSigner(stores.signingKey);
  const outbound = createGuardedFetch(config.outbound);
  const deps = {
    ...stores,
    signer,
    installedModels,
    limits,
    prices,
    log,
    metrics,
    lostLogLines: plainLog.lost,
    now,
    publicUrl: config.publicUrl,
    outbound,
    room: boundRoom(createStorageRoom({ directories, minFreeBytes: config.minFreeBytes })),
    health: createHealth(log),
    stopping: stopping.signal,
    devices: engines.map(({ name }) => name),
  };
  const limiter = rateLimits && createRateLimiter({ limits: rateLimits, now });
  const app = createApp({ ...deps, ...(limiter && { limiter }) });
  app.route('/blobs', createBlobRoutes(deps));
  const website = createWebsite(app.fetch, { load: buildWebsite });
  const server = createHttpServer(underPublicPath(website.fetch, config.publicUrl), config);
  server.on('request', createRefusalLog({ log, trustedProxies: config.trustedProxies }));
  await listen(server, config);

  const firstKey = await createFirstKey(stores.state);
  const workers = runWorkers(engines, { ...deps, scratchDirectory }, stopping.signal);
  const notifier = runNotifier(deps, stopping.signal);
  const reaper = startReaper(() => reap({ ...deps, mayErase: clock.isSettled }, stopping.signal), log);
  const record = keepClock(clock, dataDirectory, log);

  return {
    url: urlOf(config.host, server),
    firstKey,
    async close() {
      // First of all, watchers are told, and waiting requests are answered.
      stopping.abort();
      const drained = Promise.allSettled([workers, reaper.stop()]);
      await Promise.all([endConnections(server, DRAIN_MILLISECONDS), atMost(DRAIN_MILLISECONDS, drained)]);
      // A delivery under way is repeated after the next start, with the same id.
      await atMost(NOTIFIER_GRACE_MILLISECONDS, Promise.allSettled([notifier, record.end()]));
      await Promise.all(engines.map((engine) => engine.close()));
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

/** One sweep after the other, the first at once: a restart continues the work of the last process. */
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
