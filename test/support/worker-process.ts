import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createEngine } from '../../gpu-worker/engine.ts';
import { runWorker } from '../../gpu-worker/worker/worker.ts';
import { openStores } from '../../local/stores.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';

/** A worker as a process that can be killed: `worker-process.ts DATA_DIRECTORY MODELS_DIRECTORY`. */

const [, , directory, modelsDirectory] = process.argv as [string, string, string, string];
const scratchDirectory = join(directory, 'scratch-of-process');
await mkdir(scratchDirectory);
const log = createLog('silent', () => {});
await runWorker(
  {
    ...openStores(directory),
    engine: createEngine({ device: 'cpu', modelsDirectory, log }),
    limits: DEFAULT_LIMITS,
    scratchDirectory,
    log,
    pulseMilliseconds: 20,
    savepointMilliseconds: 0,
  },
  new AbortController().signal,
);
