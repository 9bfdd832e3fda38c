import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../gpu-worker/engine.ts';
import { decodeImage } from '../gpu-worker/images/decode.ts';
import { encodeImage } from '../gpu-worker/images/encode.ts';
import { pillowResize } from '../gpu-worker/images/pillow-resize.ts';
import { AppError } from '../shared/error.ts';
import type { Parameters } from '../shared/job.ts';
import type { Limits } from '../shared/limits.ts';
import type { InstalledModel } from '../shared/methods/model-facts.ts';
import { METHOD_IDS, METHODS, methodOf } from '../shared/methods/registry.ts';
import { MODEL_SCALE } from '../shared/methods/tile-plan.ts';
import { completeParameters, requestedParametersSchema } from '../shared/parameters.ts';
import type { Measured, Meter, Values } from './measure.ts';
import type { Pair } from './pairs.ts';
import type { Records } from './records.ts';

/** The measure of every model: a filter that knows nothing. */
const BASELINE = 'bicubic';

export interface CandidateResult {
  model: string;
  means: Values;
  images: { name: string; path: string; values: Values }[];
}

interface EvaluateOptions {
  pairs: readonly Pair[];
  candidates: readonly string[];
  installed: readonly InstalledModel[];
  /** How many times as large as their photos the truths are. */
  scale: number;
  engine: Engine;
  meter: Meter;
  limits: Limits;
  seed: number;
  /** Of models that have them; undefined: as many as each has by itself. */
  steps: number | undefined;
  /** Results are written to `results/MODEL/NAME.png` below it. */
  outputDirectory: string;
  /** Of an earlier run that was interrupted. */
  records?: Records;
  signal: AbortSignal;
  onImage: (model: string, name: string) => void;
}

/** Ids separated by commas. Throws AppError `invalid` for an unknown one, or none. */
export function parseCandidates(list: string, installed: readonly InstalledModel[]): string[] {
  const known: string[] = [...new Set([BASELINE, ...METHOD_IDS, ...installed.map(({ model }) => model)])];
  return [...new Set(list.split(','))].map((id) => {
    const candidate = known.find((one) => one === id);
    if (!candidate) throw new AppError('invalid', `--models ${id}: the models are ${known.join(', ')}.`);
    return candidate;
  });
}

/** The largest factor that all of them reach. */
export function scaleOf(candidates: readonly string[], installed: readonly InstalledModel[]): number {
  const chosen = installed.filter(({ model }) => candidates.includes(model));
  return chosen.length === 0 ? MODEL_SCALE : Math.min(...chosen.map((model) => methodOf(model).scale));
}

/** Restores all photos by all models, one after the other, and measures the results. Throws AppError. */
export async function evaluate(options: EvaluateOptions): Promise<CandidateResult[]> {
  const { pairs, candidates, meter, limits, outputDirectory, onImage } = options;
  const results: CandidateResult[] = [];
  // All of them first: a model that is not installed shall not be found after hours.
  const plans = candidates.map((model) => ({ model, parameters: parametersOf(model, options) }));
  for (const { model, parameters } of plans) {
    const directory = join(outputDirectory, 'results', model);
    await mkdir(directory, { recursive: true });
    const images: CandidateResult['images'] = [];
    const measured: Measured[] = [];
    for (const { name, inputPath, truthPath } of pairs) {
      options.signal.throwIfAborted();
      onImage(model, name);
      const path = join(directory, `${name}.png`);
      let found = await options.records?.read(model, name);
      if (!found) {
        if (parameters) await restore(parameters, inputPath, path, options);
        else await enlarge(inputPath, path, options);
        const [result, truth] = [await decodeImage(path, limits), await decodeImage(truthPath, limits)];
        found = await meter.measure(result.pixels, truth.pixels);
        await options.records?.write(model, name, found);
      }
      measured.push(found);
      images.push({ name, path, values: found.values });
    }
    results.push({ model, means: meter.summarize(measured), images });
  }
  return results;
}

/** Undefined for the filter. Throws AppError `model-unavailable`, and `invalid` for one that makes nothing so large. */
function parametersOf(model: string, { seed, steps, installed, scale }: EvaluateOptions): Parameters | undefined {
  if (model === BASELINE) return undefined;
  const hasSteps = METHODS.find(({ id }) => id === model)?.defaults.steps !== undefined;
  const asked = { model, scale, seed, ...(hasSteps && { steps }), metadata: 'strip', format: 'png' };
  const requested = requestedParametersSchema.parse(asked);
  return completeParameters(requested, installed);
}

async function restore(parameters: Parameters, inputPath: string, outputPath: string, options: EvaluateOptions) {
  const { engine, limits, signal } = options;
  const request = { inputPath, outputPath, parameters, limits };
  await engine.restore(request, { signal, onProgress: () => {} });
}

/** Bicubic as Pillow's, a = −0.5. */
async function enlarge(inputPath: string, outputPath: string, { limits, scale }: EvaluateOptions): Promise<void> {
  const { pixels } = await decodeImage(inputPath, limits);
  const { data } = pixels;
  const eightBit = data instanceof Uint16Array ? Uint8Array.from(data, (value) => Math.round(value / 257)) : data;
  const size = { width: pixels.width * scale, height: pixels.height * scale };
  const enlarged = pillowResize({ ...pixels, data: eightBit }, size.width, size.height);
  await encodeImage(outputPath, enlarged, undefined, {}, { ...size, format: 'png', quality: 100, metadata: 'strip' });
}
