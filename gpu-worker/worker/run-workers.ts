import { createHealth, enginePart } from '../../shared/health.ts';
import { withFields } from '../../shared/log.ts';
import type { Engine } from '../engine.ts';
import { createModelPauses } from './model-pauses.ts';
import { runWorker, type WorkerOptions } from './worker.ts';

/**
 * A worker for each engine, all on one queue, until `drain` is aborted. One whose engine cannot be used takes no job until
 * it can be again; the others go on. Throws as `runWorker` does, but never for one engine of several.
 */
export async function runWorkers(
  engines: readonly Engine[],
  options: Omit<WorkerOptions, 'engine'>,
  drain: AbortSignal,
): Promise<void> {
  const { log, health = createHealth(log) } = options;
  const names = engines.map(({ name }) => name);
  const pauses = createModelPauses(health, options.pauseLengths);
  for (const name of names) health.live(name);
  const workers = engines.map((engine) => {
    const own = {
      engine,
      pauses,
      part: enginePart(engine.name, names),
      log: withFields(log, { device: engine.name }),
      health: { ...health, live: () => health.live(engine.name) },
      ...(engines.length > 1 && { engineMilliseconds: Number.POSITIVE_INFINITY }),
    };
    return runWorker({ ...options, ...own }, drain);
  });
  await Promise.all(workers);
}
