import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pixels } from '../../gpu-worker/images/image.ts';
import type { Device } from '../../gpu-worker/runtime/devices.ts';
import { createSession } from '../../gpu-worker/runtime/session.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { AppError } from '../../shared/error.ts';
import { buildPerceptual } from './perceptual-model.ts';

/** Metrics that need a network of the user, as an ONNX file. `takes`: its input. */
export const LEARNED_METRICS = {
  lpips: { label: 'LPIPS', better: 'lower', takes: 'pair' },
  dists: { label: 'DISTS', better: 'lower', takes: 'pair' },
  maniqa: { label: 'MANIQA', better: 'higher', takes: 'picture' },
  musiq: { label: 'MUSIQ', better: 'higher', takes: 'picture' },
  clipiqa: { label: 'CLIPIQA', better: 'higher', takes: 'picture' },
  fid: { label: 'FID', better: 'lower', takes: 'set' },
} as const;

export type LearnedMetricId = keyof typeof LEARNED_METRICS;

/** Those that can be built from checkpoints: a backbone and the weights of the metric. */
const BUILDABLE: readonly string[] = ['lpips', 'dists'];

export const LEARNED_CONTRACT = `the input "image", for lpips and dists "reference" too: fp32 [1, 3, height, width], RGB in 0..1;
the first output is the value, of fid the features of the picture`;

const isLearnedMetric = (id: string): id is LearnedMetricId => Object.hasOwn(LEARNED_METRICS, id);

/**
 * Paths of the networks: those given as `ID=FILE` or, of LPIPS and DISTS, `ID=BACKBONE,WEIGHTS`, and ID.onnx of the
 * directory. One in neither is not there.
 * Throws AppError `invalid` for an unknown id, `not-found` for a given file that is missing.
 */
export async function findLearned(
  given: readonly string[],
  directory: string | undefined,
): Promise<Map<LearnedMetricId, string[]>> {
  const found = new Map<LearnedMetricId, string[]>();
  const isFile = async (path: string) => (await stat(path).catch(() => undefined))?.isFile() ?? false;
  for (const id of Object.keys(LEARNED_METRICS).filter(isLearnedMetric)) {
    const path = directory !== undefined && join(directory, `${id}.onnx`);
    if (path && (await isFile(path))) found.set(id, [path]);
  }
  for (const entry of given) {
    const [id = '', ...rest] = entry.split('=');
    const paths = rest.join('=').split(',');
    const counts = BUILDABLE.includes(id) ? [1, 2] : [1];
    if (!isLearnedMetric(id) || paths.includes('') || !counts.includes(paths.length)) {
      throw new AppError(
        'invalid',
        `--metric ${entry}: it is ID=FILE, or for ${BUILDABLE.join(' and ')} ID=BACKBONE,WEIGHTS; the ids are ${Object.keys(LEARNED_METRICS).join(', ')}.`,
      );
    }
    for (const path of paths) {
      if (!(await isFile(path))) throw new AppError('not-found', `--metric ${id}: there is no file ${path}.`);
    }
    found.set(id, paths);
  }
  return found;
}

export interface LearnedMetric {
  /** All numbers of the network's first output. */
  run(image: Pixels, reference?: Pixels): Promise<Float32Array>;
  release(): Promise<void>;
}

/**
 * `paths`: an ONNX file, or two checkpoints. Throws AppError `invalid` for a file that is no network, and when it is run for
 * one that does not keep the contract; `engine-failed` for checkpoints that do not fit.
 */
export async function loadLearned(
  id: LearnedMetricId,
  paths: readonly string[],
  device: Device,
): Promise<LearnedMetric> {
  const refuse = (error: unknown): never => {
    if (error instanceof AppError && error.code !== 'model-not-loaded') throw error;
    const reason = (error as Error).message;
    throw new AppError(
      'invalid',
      `${paths.join(', ')} (${id}) cannot be run: ${reason}. It must have ${LEARNED_CONTRACT}.`,
    );
  };
  const isBuilt = paths.length === 2 && (id === 'lpips' || id === 'dists');
  const model = isBuilt ? await buildPerceptual(id, paths) : paths[0]!;
  const session = await createSession(model, device).catch(refuse);
  return {
    async run(image, reference) {
      const inputs = { image: toTensor(image), ...(reference && { reference: toTensor(reference) }) };
      const outputs = await session.run(inputs).catch(refuse);
      const data = Object.values(outputs)[0]?.data;
      if (!(data instanceof Float32Array) || !data.every(Number.isFinite)) {
        return refuse(new TypeError('its first output is not made of finite fp32 numbers'));
      }
      return data;
    },
    release: () => session.release(),
  };
}

/** [1, 3, height, width] in 0..1; grey counts as three equal channels. */
function toTensor({ width, height, channels, data }: Pixels): Tensor {
  const unit = data instanceof Uint16Array ? 65_535 : 255;
  const planes = new Float32Array(3 * width * height);
  for (let channel = 0; channel < 3; channel++) {
    const offset = channel * width * height;
    for (let pixel = 0; pixel < width * height; pixel++) {
      planes[offset + pixel] = data[pixel * channels + (channel % channels)]! / unit;
    }
  }
  return { data: planes, shape: [1, 3, height, width] };
}
