import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine } from '../../gpu-worker/engine.ts';
import { runWorker } from '../../gpu-worker/worker/worker.ts';
import { openClock } from '../../local/data-clock.ts';
import { createStorageRoom } from '../../local/storage-room.ts';
import { openStores } from '../../local/stores.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';

/**
 * The product's worker as a process of its own, beside the service on the same data directory: `chaos-worker.ts
 * DATA_DIRECTORY SCRATCH_DIRECTORY`. The two affect each other as two machines do. SIGTERM drains it.
 */

const [, , directory, scratchDirectory] = process.argv as [string, string, string, string];
rmSync(scratchDirectory, { recursive: true, force: true });
mkdirSync(scratchDirectory);
const log = createLog('info', (line) => process.stderr.write(`${line}\n`));
const drain = new AbortController();
process.once('SIGTERM', () => drain.abort());
// As the service: the machine has one clock.
const { now } = openClock(directory, log);
const stores = openStores(directory, { now });
const engine = createEngine({ device: 'cpu', modelsDirectory: join(directory, 'models'), log });
const room = createStorageRoom({ directories: [scratchDirectory], minFreeBytes: 1 });
process.stdout.write('works\n');
await runWorker({ ...stores, engine, limits: DEFAULT_LIMITS, scratchDirectory, room, log }, drain.signal);
await engine.close();
stores.database.close();
