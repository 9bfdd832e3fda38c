import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { awsVariables, openAwsStores, openBucket } from '../shared/adapters/aws/stores.ts';
import { readVariables, serviceSettings, sharedVariables } from '../shared/configuration.ts';
import { AppError } from '../shared/error.ts';
import { DRAIN_SECONDS } from '../shared/limits.ts';
import { createLog, type Log } from '../shared/log.ts';
import { MODEL_IDS, SHIPPED_MODELS } from '../shared/models.ts';
import { createEngine } from './engine.ts';
import { fetchModels } from './fetch-models.ts';
import { checkHeicDecoder } from './images/heic.ts';
import { SOFTWARE } from './software.ts';
import { createTaskProtection } from './task-protection.ts';
import { runWorker } from './worker.ts';

const environmentSchema = z.object({
  ...sharedVariables,
  ...awsVariables,
  DEVICE: z.enum(['cpu', 'cuda']),
  MODELS: z
    .string()
    .default(SHIPPED_MODELS.join(','))
    .transform((list) => list.split(','))
    .pipe(z.array(z.enum(MODEL_IDS))),
  /** Only models are fetched that do not ship with the program. */
  MODELS_BUCKET: z.string().min(1),
  /** Outlives the container: models are fetched once for a machine. */
  CACHE_DIR: z.string().min(1),
  /** Written anew every few seconds while jobs are taken: the container's health check looks at its age. */
  READY_FILE: z.string().min(1).default(join(tmpdir(), 'worker-ready')),
  /** Given by ECS. */
  ECS_AGENT_URI: z.url().optional(),
});

const READY_MILLISECONDS = 10_000;
/** Each is a write of the job: on AWS they cost. */
const PULSE_MILLISECONDS = 2_000;

/**
 * The worker on AWS, until SIGTERM: that is how ECS tells a deployment, scaling in, and, with the agent set to, the notice
 * of a spot instance. Then the job is given back within DRAIN_SECONDS, with a checkpoint where its model has some.
 */
async function main(): Promise<void> {
  const variables = readVariables(environmentSchema, process.env);
  const { logLevel, limits } = serviceSettings(variables);
  const log = createLog(logLevel, (line) => process.stdout.write(`${line}\n`));
  const drain = drainOnSignal(log);

  const { DEVICE: device, MODELS: models, MODELS_BUCKET, S3_PATH_STYLE, ECS_AGENT_URI: agentUri } = variables;
  if (limits.heic) checkHeicDecoder();
  const engine = createEngine({ device, modelsDirectory: variables.CACHE_DIR, log });
  await engine.checkDevice(); // a GPU box whose GPU does not work must not take jobs, and never runs them without
  const objects = openBucket(MODELS_BUCKET, S3_PATH_STYLE);
  await fetchModels({ models, objects, modelsDirectory: variables.CACHE_DIR, log, signal: drain });
  const scratchDirectory = await mkdtemp(join(tmpdir(), 'worker-'));

  log.info('worker.ready', { device, models, software: SOFTWARE });
  const tellReady = () => writeFile(variables.READY_FILE, '');
  await tellReady();
  const ready = setInterval(
    () => tellReady().catch((error) => log.warn('ready.failed', { error })),
    READY_MILLISECONDS,
  );
  await runWorker(
    {
      ...openAwsStores(variables),
      engine,
      limits,
      scratchDirectory,
      log,
      pulseMilliseconds: PULSE_MILLISECONDS,
      ...(agentUri && { around: createTaskProtection({ agentUri, log }) }),
    },
    drain,
  );
  clearInterval(ready);
  await engine.close();
  await rm(scratchDirectory, { recursive: true, force: true });
  log.info('worker.drained');
}

function drainOnSignal(log: Log): AbortSignal {
  const drain = new AbortController();
  const onSignal = () => {
    log.info('worker.drains');
    drain.abort();
    // What is not given back by then comes again when its lease ends.
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
