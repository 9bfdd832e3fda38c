import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { awsVariables, openAwsStores, openBucket } from '../shared/adapters/aws/stores.ts';
import { createStandardLog } from '../shared/adapters/node/standard-log.ts';
import { warnOnStandardError } from '../shared/adapters/node/warn.ts';
import {
  installedModels,
  modelVariables,
  readVariables,
  serviceSettings,
  sharedVariables,
} from '../shared/configuration.ts';
import { AppError } from '../shared/error.ts';
import { blocking, createHealth } from '../shared/health.ts';
import { DEAF_SECONDS, DRAIN_SECONDS, SILENCE_SECONDS } from '../shared/limits.ts';
import type { Log } from '../shared/log.ts';
import { methodOf, SHIPPED_IDS } from '../shared/methods/registry.ts';
import { deviceVariables, givenDevice } from './device-settings.ts';
import { checkHeicDecoder } from './images/heic.ts';
import { checkAdded } from './model-store/added-models.ts';
import { fetchModels } from './model-store/fetch-models.ts';
import { openEngines } from './open-engines.ts';
import { SOFTWARE } from './software.ts';
import { STORES } from './worker/outwait-trouble.ts';
import { runWorkers } from './worker/run-workers.ts';
import { createTaskProtection } from './worker/task-protection.ts';

const environmentSchema = z.object({
  ...sharedVariables,
  ...awsVariables,
  ...deviceVariables,
  DEVICE: givenDevice,
  ...modelVariables,
  MODELS: modelVariables.MODELS.default([...SHIPPED_IDS]),
  /** Only models are fetched that do not ship with the program. */
  MODELS_BUCKET: z.string().min(1),
  /** Outlives the container: models are fetched once for a machine. */
  CACHE_DIR: z.string().min(1),
  /** Written anew whenever the queue answers, and while a job gets on: the container's health check looks at its age. */
  READY_FILE: z.string().min(1).default(join(tmpdir(), 'worker-ready')),
  /** Given by ECS. */
  ECS_AGENT_URI: z.url().optional(),
});

const ALIVE_MILLISECONDS = 10_000;
/** Each is a write of the job: on AWS they cost. */
const PULSE_MILLISECONDS = 2_000;

/**
 * The worker on AWS, until SIGTERM: that is how ECS tells a deployment, scaling in, and, with the agent set to, the notice
 * of a spot instance. Then the job is given back within DRAIN_SECONDS, with a savepoint where its model has some.
 * Throws `unavailable` where queue, state or storage have not answered for DEAF_SECONDS: a wrong region, rights that are
 * missing, no network.
 */
async function main(): Promise<void> {
  const variables = readVariables(environmentSchema, process.env, { warn: warnOnStandardError });
  const { logLevel, limits } = serviceSettings(variables);
  const log = createStandardLog(logLevel, process.stdout);
  const drain = drainOnSignal(log);

  const models = installedModels(variables);
  const { DEVICE, WORKERS: workers, MODELS_BUCKET, S3_PATH_STYLE, ECS_AGENT_URI: agentUri } = variables;
  if (limits.heic) checkHeicDecoder();
  // A GPU box whose GPU does not work must not take jobs, and never runs them without: its DEVICE names the GPU.
  const { CACHE_DIR: modelsDirectory } = variables;
  const methods = models.map((model) => methodOf(model).id);
  const engineOptions = { modelsDirectory, log, workers, methods, checksDirectory: modelsDirectory };
  const { engines } = await openEngines(DEVICE, engineOptions);
  const devices = engines.map(({ name }) => name);
  const objects = openBucket(MODELS_BUCKET, S3_PATH_STYLE);
  const names = models.map(({ model }) => model);
  await fetchModels({ models: names, objects, modelsDirectory: variables.CACHE_DIR, log, signal: drain });
  // The API has sold the models as MODEL_FACTS states them.
  for (const model of models) await checkAdded(variables.CACHE_DIR, model);
  const scratchDirectory = await mkdtemp(join(tmpdir(), 'worker-'));

  const health = createHealth(log);
  /** A store that does not answer for minutes is outwaited under the lease; in any other trouble the container is no worker. */
  const isWell = () =>
    health.silentSeconds() < SILENCE_SECONDS &&
    blocking(health.troubles(), devices).every(({ part }) => part === STORES);
  const tellAlive = () =>
    isWell() && void writeFile(variables.READY_FILE, '').catch((error) => log.warn('ready.failed', { error }));
  const protect = agentUri ? createTaskProtection({ agentUri, log }) : <Result>(work: () => Promise<Result>) => work();
  let isReady = false;
  await runWorkers(
    engines,
    {
      ...openAwsStores(variables),
      limits,
      scratchDirectory,
      log,
      health,
      pulseMilliseconds: PULSE_MILLISECONDS,
      idleMilliseconds: DEAF_SECONDS * 1000,
      onAnswer() {
        tellAlive();
        if (!isReady) log.info('worker.ready', { devices, models: names, software: SOFTWARE });
        isReady = true;
      },
      async around(work) {
        const alive = setInterval(tellAlive, ALIVE_MILLISECONDS);
        try {
          return await protect(work);
        } finally {
          clearInterval(alive);
        }
      },
    },
    drain,
  );
  await Promise.all(engines.map((engine) => engine.close()));
  await rm(scratchDirectory, { recursive: true, force: true });
  log.info('worker.drained');
}

function drainOnSignal(log: Log): AbortSignal {
  const drain = new AbortController();
  const onSignal = () => {
    log.info('worker.drains');
    drain.abort();
    // A job that is not given back by then comes again when its lease ends.
    setTimeout(() => process.exit(1), DRAIN_SECONDS * 1000).unref();
  };
  process.once('SIGTERM', onSignal);
  process.once('SIGINT', onSignal);
  return drain.signal;
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    if (error instanceof Error && error.name === 'AbortError') process.exit(0); // drained before it was ready
    process.stderr.write(`${error instanceof AppError ? error.message : String((error as Error).stack ?? error)}\n`);
    process.exit(1);
  },
);
