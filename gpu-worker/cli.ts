import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { runCommand, usageError } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { readLimits, readVariables, sharedVariables } from '../shared/configuration.ts';
import { createLog } from '../shared/log.ts';
import { methodOf } from '../shared/methods/registry.ts';
import { readDevice } from './device-settings.ts';
import { checkHeicDecoder } from './images/heic.ts';
import { listModels } from './model-store/added-models.ts';
import { openEngines } from './open-engines.ts';
import { ABOUT, isPublished, OPTIONS, USAGE } from './restore-files/arguments.ts';
import { readNames, STANDARD_OUTPUT } from './restore-files/destination.ts';
import { findPhotos } from './restore-files/find-photos.ts';
import { identityOf } from './restore-files/identity.ts';
import { createScratch, watchLeftovers } from './restore-files/leftovers.ts';
import { readParameters } from './restore-files/parameter-options.ts';
import { planTasks } from './restore-files/plan.ts';
import { openResultFolder } from './restore-files/result-folder.ts';
import { runTasks } from './restore-files/run.ts';
import { NOBODY_READS, stopOnSignals } from './restore-files/stop.ts';

const PROJECT = resolve(import.meta.dirname, '..');

const environmentSchema = z.object({
  MODELS_DIR: z.string().optional(),
  /** The log of the engine is shown on request only. */
  LOG_LEVEL: sharedVariables.LOG_LEVEL.default('error'),
});

/** Photos without any server: the same child process and recipe as in the worker. */
async function restore(values: Values<typeof OPTIONS>, words: string[]): Promise<void> {
  const signal = stopOnSignals();
  const { json, recursive, 'skip-existing': skipExisting } = values;
  const published = isPublished(values);
  const device = readDevice(values.device);
  const here = callerFolder(process.env);
  const { names, destination } = await readNames(words, values, here);
  const requested = readParameters(values);
  const limits = readLimits(process.env, warn);
  if (limits.heic) checkHeicDecoder();
  const variables = readVariables(environmentSchema, process.env, { warn });
  const givenModels = values.models || variables.MODELS_DIR;
  const modelsDirectory = givenModels ? resolve(here, givenModels) : join(PROJECT, 'models');
  const installed = await listModels(modelsDirectory);

  const leftovers = watchLeftovers();
  const scratch = createScratch(leftovers);
  const folder = 'folder' in destination ? destination.folder : undefined;
  const found = await findPhotos(names, {
    here,
    outIdentity: folder && (await identityIfThere(folder)),
    recursive,
    scratch,
    maxBytes: limits.max_upload_bytes,
    signal,
  });
  if (!folder && found.photos.length > 1) {
    throw usageError(`IN stands for ${found.photos.length} photos. They need --out FOLDER.`);
  }
  const tasks = await planTasks(found, { destination, requested, installed, skipExisting });
  if (folder && tasks.length > 0) await openResultFolder(folder, leftovers);

  const log = createLog(variables.LOG_LEVEL, warn);
  const methods = tasks.map(({ parameters }) => methodOf(parameters).id);
  const {
    engines: [engine],
    choice,
  } = await openEngines(device, { modelsDirectory, log, methods, most: 1 });
  if (process.stderr.isTTY) warn(choice);
  try {
    const picture = 'file' in destination && destination.file === STANDARD_OUTPUT;
    const failed = await runTasks(tasks, found, {
      engine,
      limits,
      published,
      skipExisting,
      leftovers,
      scratch,
      signal,
      json,
      picture,
    });
    if (failed > 0) process.exitCode ??= 1;
  } finally {
    await engine.close();
  }
}

/** npm runs its scripts in the folder of the project, and tells where it was called. */
function callerFolder({ npm_lifecycle_event: script, INIT_CWD: folder }: NodeJS.ProcessEnv): string {
  return script === 'restore' && folder ? folder : process.cwd();
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function identityIfThere(path: string): Promise<string | undefined> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats && identityOf(stats);
}

runCommand({
  name: 'restore',
  usage: USAGE,
  about: ABOUT,
  options: OPTIONS,
  takesWords: true,
  run: (values, words) =>
    restore(values, words).catch((error: unknown) => {
      if (error !== NOBODY_READS) throw error;
    }),
});
