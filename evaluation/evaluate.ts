import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../gpu-worker/engine.ts';
import { decodeImage } from '../gpu-worker/images/decode.ts';
import { encodeImage } from '../gpu-worker/images/encode.ts';
import { pillowResize } from '../gpu-worker/images/pillow-resize.ts';
import { AppError } from '../shared/error.ts';
import type { Parameters } from '../shared/job.ts';
import { DEFAULT_LIMITS } from '../shared/limits.ts';
import { MODEL_IDS, type ModelId } from '../shared/models.ts';
import { completeParameters, requestedParametersSchema } from '../shared/parameters.ts';
import { MODEL_SCALE } from '../shared/tile-plan.ts';
import { type Measured, type Meter, summarize, type Values } from './measure.ts';
import type { Pair } from './pairs.ts';

/** What every model is measured against: a filter that knows nothing. */
const BASELINE = 'bicubic';
type CandidateId = ModelId | typeof BASELINE;

export interface CandidateResult {
  model: CandidateId;
  means: Values;
  images: { name: string; path: string; values: Values }[];
}

interface EvaluateOptions {
  pairs: readonly Pair[];
  candidates: readonly CandidateId[];
  installed: readonly ModelId[];
  engine: Engine;
  meter: Meter;
  seed: number;
  /** Results are written to `results/MODEL/NAME.png` below it. */
  outputDirectory: string;
  signal: AbortSignal;
  onImage: (model: CandidateId, name: string) => void;
}

/** Ids separated by commas. Throws AppError `invalid` for an unknown one, or none. */
export function parseCandidates(list: string): CandidateId[] {
  const known = [BASELINE, ...MODEL_IDS] as const;
  return [...new Set(list.split(','))].map((id) => {
    const candidate = known.find((one) => one === id);
    if (!candidate) throw new AppError('invalid', `--models ${id}: the models are ${known.join(', ')}.`);
    return candidate;
  });
}

/** Restores all photos by all models, one after the other, and measures the results. Throws AppError. */
export async function evaluate(options: EvaluateOptions): Promise<CandidateResult[]> {
  const { pairs, candidates, meter, outputDirectory, onImage } = options;
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
      if (parameters) await restore(parameters, inputPath, path, options);
      else await enlarge(inputPath, path);
      const [result, truth] = [await decodeImage(path, DEFAULT_LIMITS), await decodeImage(truthPath, DEFAULT_LIMITS)];
      const found = await meter.measure(result.pixels, truth.pixels);
      measured.push(found);
      images.push({ name, path, values: found.values });
    }
    results.push({ model, means: summarize(meter.metrics, measured), images });
  }
  return results;
}

/** Undefined for the filter. Throws AppError `model-unavailable`. */
function parametersOf(model: CandidateId, { seed, installed }: EvaluateOptions): Parameters | undefined {
  if (model === BASELINE) return undefined;
  const requested = requestedParametersSchema.parse({ model, seed, metadata: 'strip', format: 'png' });
  return completeParameters(requested, installed);
}

async function restore(parameters: Parameters, inputPath: string, outputPath: string, options: EvaluateOptions) {
  const { engine, signal } = options;
  const request = { inputPath, outputPath, parameters, limits: DEFAULT_LIMITS };
  await engine.restore(request, { signal, onProgress: () => {} });
}

/** Bicubic as Pillow's, a = −0.5. */
async function enlarge(inputPath: string, outputPath: string): Promise<void> {
  const { pixels } = await decodeImage(inputPath, DEFAULT_LIMITS);
  const { data } = pixels;
  const eightBit = data instanceof Uint16Array ? Uint8Array.from(data, (value) => Math.round(value / 257)) : data;
  const size = { width: pixels.width * MODEL_SCALE, height: pixels.height * MODEL_SCALE };
  const enlarged = pillowResize({ ...pixels, data: eightBit }, size.width, size.height);
  await encodeImage(outputPath, enlarged, undefined, {}, { ...size, format: 'png', quality: 100, metadata: 'strip' });
}
