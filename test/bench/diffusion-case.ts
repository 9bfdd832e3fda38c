import { engineOf } from '../../gpu-worker/methods/engines.ts';
import { directoryOf } from '../../gpu-worker/model-store/installed.ts';
import { AppError } from '../../shared/error.ts';
import { methodOf, OWN_MODELS } from '../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../shared/parameters.ts';
import { peakBytes } from '../support/peak-memory.ts';
import { buildRandom, type RandomModel } from '../support/random-diffusion.ts';
import { noise } from '../support/sample-images.ts';

/** One measurement in a process of its own; started by diffusion.ts. */
export type DiffusionCase =
  | { kind: 'build'; model: RandomModel; directory: string }
  /** Of a square photo. */
  | { kind: 'restore'; model: RandomModel; directory: string; side: number };

export interface DiffusionResult {
  seconds: number;
  cpuSeconds: number;
  /** Of a restore: the least of its steps, and all that follows them. */
  step?: Cost;
  decode?: Cost;
  peakBytes: number;
}

interface Cost {
  seconds: number;
  cpuSeconds: number;
}

/** Where a method has not its own number. The first step also loads the network. */
const STEPS = 4;

const now = () => {
  const { user, system } = process.cpuUsage();
  return { seconds: performance.now() / 1000, cpuSeconds: (user + system) / 1e6 };
};
const between = (start: Cost, end: Cost): Cost => ({
  seconds: end.seconds - start.seconds,
  cpuSeconds: end.cpuSeconds - start.cpuSeconds,
});

async function restore({ model, directory, side }: Extract<DiffusionCase, { kind: 'restore' }>) {
  const { defaults } = methodOf({ model });
  const asked = requestedParametersSchema.parse({ model, ...(defaults.steps && { steps: STEPS }) });
  const parameters = completeParameters(asked, OWN_MODELS);
  const engine = await engineOf(model);
  const loaded = await engine.load(directoryOf(directory, model), { device: 'cpu', parameters });
  /** At the end of each step. */
  const ends: Cost[] = [];
  const photo = { width: side, height: side, channels: 3, data: noise(3 * side * side) } as const;
  const restoring = loaded.restore(photo, {
    parameters,
    published: false,
    tileSize: methodOf(parameters).tileSizes[0],
    signal: new AbortController().signal,
    onProgress: ({ stage, tile, tiles }) => {
      if (stage === 'denoise' && tile === tiles) ends.push(now());
    },
  });
  // The gate may refuse what random weights make; by then all is computed.
  await restoring.catch((error) => {
    if (!(error instanceof AppError) || error.code !== 'output-rejected') throw error;
  });
  const decode = between(ends.at(-1)!, now());
  await loaded.release();
  const steps = ends.slice(1).map((end, index) => between(ends[index]!, end));
  return {
    step: {
      seconds: Math.min(...steps.map(({ seconds }) => seconds)),
      cpuSeconds: Math.min(...steps.map(({ cpuSeconds }) => cpuSeconds)),
    },
    decode,
  };
}

const given = JSON.parse(process.argv[2] ?? '') as DiffusionCase;
const started = now();
const measured = given.kind === 'build' ? await buildRandom(given.directory, given.model) : await restore(given);
const result: DiffusionResult = { ...between(started, now()), ...measured, peakBytes: peakBytes() };
process.stdout.write(JSON.stringify(result));
