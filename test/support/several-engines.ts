import { join } from 'node:path';
import { createEngine } from '../../gpu-worker/engine.ts';
import { runWorkers } from '../../gpu-worker/worker/run-workers.ts';
import { createHealth } from '../../shared/health.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import type { Workshop } from './workshop.ts';

const PATIENCE = { pauseMilliseconds: 20, longestPauseMilliseconds: 200, milliseconds: 60_000 };

/** Inference processes of these names that share the CPU and the jobs of a workshop, as those of several devices do. */
export function createSeveralEngines(workshop: Workshop, names: readonly string[]) {
  const { state, objects, queue, scratchDirectory, lines, directory } = workshop;
  const log = createLog('info', (line) => lines.push(line));
  const health = createHealth(log);
  const modelsDirectory = join(directory, 'models');
  const engines = names.map((name) => createEngine({ device: 'cpu', name, threads: 1, modelsDirectory, log }));
  const drain = new AbortController();
  let ended = Promise.resolve();
  const stop = async () => {
    drain.abort();
    await ended;
  };
  return {
    engines,
    health,
    start(): void {
      const stores = { state, objects, queue, scratchDirectory, limits: DEFAULT_LIMITS };
      const options = { ...stores, log, health, patience: PATIENCE, pulseMilliseconds: 20 };
      ended = runWorkers(engines, options, drain.signal);
    },
    /** Drains the workers. */
    stop,
    async close(): Promise<void> {
      await stop();
      await Promise.all(engines.map((engine) => engine.close()));
    },
  };
}
