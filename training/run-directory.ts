import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { syncFolder } from '../gpu-worker/sync-folder.ts';
import type { Tensor } from '../gpu-worker/tensor/tensor.ts';
import { openCheckpoint } from '../gpu-worker/weights/open-checkpoint.ts';
import { AppError } from '../shared/error.ts';
import type { Moments } from './adamw.ts';
import { lossPlot } from './loss-plot.ts';
import type { Metrics } from './metrics.ts';
import { tensorParts } from './write-safetensors.ts';

/** All that a training goes on from. */
interface State {
  tensors: Map<string, Tensor>;
  moments: Map<string, Moments>;
  metrics: Metrics[];
}

interface SavedState {
  tensors: ReadonlyMap<string, Tensor>;
  moments: ReadonlyMap<string, Moments>;
  /** One for each step so far. */
  metrics: readonly Metrics[];
}

/**
 * The directory of one training: config.json, state.safetensors, metrics.jsonl, loss.svg, samples. Everything is written beside its place and then
 * put there, the state last: whenever the process dies, the state is whole, and what lies beside it is at least as new.
 */
export interface RunDirectory {
  /** What was saved last; undefined at the start. */
  load(): Promise<State | undefined>;
  save(state: SavedState): Promise<void>;
  /** The pictures of a step, SVG. */
  saveSamples(step: number, sheet: string): Promise<void>;
}

const STATE = 'state.safetensors';
const METRICS = 'metrics.jsonl';

/** Throws AppError `invalid` where the directory holds a run of another configuration, or a run that is not to go on. */
export async function openRunDirectory(directory: string, config: object, resumes: boolean): Promise<RunDirectory> {
  await mkdir(directory, { recursive: true });
  const path = (name: string) => join(directory, name);
  const found = await readIfThere(path('config.json'));
  const plain = JSON.parse(JSON.stringify(config));
  if (found && !resumes)
    throw new AppError('invalid', `${directory} holds a run already; go on with --resume, or name another.`);
  if (found && !isDeepStrictEqual(JSON.parse(found), plain)) {
    throw new AppError('invalid', `${directory} holds a run with other settings; see its config.json.`);
  }
  await writeWhole(path('config.json'), `${JSON.stringify(plain, null, 2)}\n`);
  return {
    async load() {
      const isThere = await stat(path(STATE)).catch(ifMissing);
      return isThere ? await loadState(path(STATE), (await readIfThere(path(METRICS))) ?? '') : undefined;
    },
    async save(state) {
      const lines = state.metrics.map((line) => `${JSON.stringify(line)}\n`);
      await writeWhole(path(METRICS), lines.join(''));
      await writeWhole(path('loss.svg'), lossPlot(state.metrics));
      await writeWhole(path(STATE), tensorParts(stateTensors(state)));
    },
    async saveSamples(step, sheet) {
      await mkdir(path('samples'), { recursive: true });
      await writeWhole(path(`samples/step-${`${step}`.padStart(6, '0')}.svg`), sheet);
    },
  };
}

/** Writes a file in one piece: as it was, or as it shall be, also when the machine stops. */
export async function writeWhole(
  path: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  const part = `${path}.part`;
  const file = await open(part, 'w');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
  await syncFolder(dirname(path));
}

function stateTensors({ tensors, moments, metrics }: SavedState): Map<string, Tensor> {
  const all = new Map<string, Tensor>([['steps', { data: Float32Array.of(metrics.length), shape: [1] }]]);
  for (const [name, tensor] of tensors) {
    const { first, second, steps } = moments.get(name)!;
    all.set(`value.${name}`, tensor);
    all.set(`first.${name}`, { data: first, shape: tensor.shape });
    all.set(`second.${name}`, { data: second, shape: tensor.shape });
    all.set(`steps.${name}`, { data: Float32Array.of(steps), shape: [1] });
  }
  return all;
}

/** Lines of metrics beyond the state belong to steps that were lost. */
async function loadState(path: string, lines: string): Promise<State> {
  await using file = await openCheckpoint(path);
  const tensors = new Map<string, Tensor>();
  const moments = new Map<string, Moments>();
  for (const [entry, { shape }] of file.tensors) {
    const name = /^value\.(.*)$/.exec(entry)?.[1];
    if (name === undefined) continue;
    tensors.set(name, { data: await file.read(entry), shape });
    const [first, second] = [await file.read(`first.${name}`), await file.read(`second.${name}`)];
    moments.set(name, { first, second, steps: (await file.read(`steps.${name}`))[0]! });
  }
  const [steps] = await file.read('steps');
  const metrics = lines
    .split('\n')
    .slice(0, steps)
    .map((line): Metrics => JSON.parse(line));
  return { tensors, moments, metrics };
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(ifMissing);
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
