import type { Pixels } from '../../gpu-worker/images/image.ts';
import { createPlane, cutPlane, fullLuminance, luminance, type Plane, wholeLevels } from '../plane.ts';
import { type OpenOptions, pictureMetric } from './metric.ts';
import {
  fitDistribution,
  NEIGHBORS,
  neighborProducts,
  normalizeContrast,
  pyiqaContrast,
} from './natural-statistics.ts';
import { solveSymmetric } from './solve-symmetric.ts';
import { readShipped } from './weights.ts';

export const niqeMetric = {
  id: 'niqe',
  label: 'NIQE',
  digits: 3,
  better: 'lower',
  looksAt: 'picture',
  async open({ protocol }: Pick<OpenOptions, 'protocol'>) {
    const pristine = await readPristineModel();
    const compute = (picture: Pixels) => {
      if (protocol.arithmetic === 'exact') return niqe(luminance(picture), pristine);
      return niqe(fullLuminance(picture), pristine, pyiqaContrast);
    };
    return pictureMetric((result) => compute(result) ?? null);
  },
} as const;

/** Features of pristine photos: mean of 36 and covariance of 36×36. */
export interface PristineModel {
  mean: number[];
  covariance: number[][];
}

/** The LIVE laboratory's, see `weights/manifest.json`. Throws AppError `engine-failed` for a changed file. */
export async function readPristineModel(): Promise<PristineModel> {
  return JSON.parse(await readShipped('niqe-pristine.json')) as PristineModel;
}

const BLOCK = 96;
/** Halving as MATLAB's `imresize` does: a cubic filter (Keys, a = −1/2) made twice as wide, so that nothing aliases. */
const HALVING = [1.75, 1.25, 0.75, 0.25, 0.25, 0.75, 1.25, 1.75].map((x) =>
  x < 1 ? ((1.5 * x - 2.5) * x * x + 1) / 2 : ((((5 - x) * x - 8) * x + 4) * 0.5) / 2,
);

/**
 * Distance of a picture's statistics from those of pristine photos, lower is better (Mittal et al. 2013): two scales,
 * blocks of 96, whole levels of luminance, as BasicSR computes it after the MATLAB release. Undefined where there
 * are fewer than two blocks that have contrast: their covariance is no number. `normalized`: the contrast.
 */
export function niqe(grey: Plane, pristine: PristineModel, normalized = normalizeContrast): number | undefined {
  const [columns, rows] = [Math.floor(grey.width / BLOCK), Math.floor(grey.height / BLOCK)];
  const full = wholeLevels(cutPlane(grey, 0, 0, columns * BLOCK, rows * BLOCK));
  const scales = [
    { plane: normalized(full), size: BLOCK },
    { plane: normalized(halve(full)), size: BLOCK / 2 },
  ];
  const features: number[][] = [];
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      features.push(
        scales.flatMap(({ plane, size }) => blockFeatures(cutPlane(plane, column * size, row * size, size, size))),
      );
    }
  }
  const complete = features.filter((values) => !values.some(Number.isNaN));
  if (complete.length < 2) return undefined;
  const means = meansOf(complete);
  const difference = pristine.mean.map((mean, index) => mean - means[index]!);
  const covariance = covarianceOf(complete, means);
  const pooled = pristine.covariance.map((row, i) => row.map((value, j) => (value + covariance[i]![j]!) / 2));
  const weighted = solveSymmetric(pooled, difference);
  return Math.sqrt(difference.reduce((sum, value, index) => sum + value * weighted[index]!, 0));
}

function blockFeatures(block: Plane): number[] {
  const { shape, left, right, unitScale } = fitDistribution(block);
  const products = NEIGHBORS.flatMap((neighbor) => {
    const fitted = fitDistribution(neighborProducts(block, neighbor, 'wrap'));
    const [leftScale, rightScale] = [fitted.left * fitted.unitScale, fitted.right * fitted.unitScale];
    return [fitted.shape, (rightScale - leftScale) * fitted.unitMean, leftScale, rightScale];
  });
  return [shape, ((left + right) / 2) * unitScale, ...products];
}

/** Of a plane with even sides; its borders are mirrored. */
function halve(plane: Plane): Plane {
  return transposed(halveRows(transposed(halveRows(plane))));
}

function halveRows({ width, height, data }: Plane): Plane {
  const half = createPlane(width, height / 2);
  const mirror = (row: number) => (row < 0 ? -1 - row : row >= height ? 2 * height - 1 - row : row);
  for (let y = 0; y < half.height; y++) {
    for (const [tap, weight] of HALVING.entries()) {
      const from = mirror(2 * y - 3 + tap) * width;
      for (let x = 0; x < width; x++) half.data[y * width + x]! += weight * data[from + x]!;
    }
  }
  return half;
}

function transposed({ width, height, data }: Plane): Plane {
  const turned = createPlane(height, width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) turned.data[x * height + y] = data[y * width + x]!;
  }
  return turned;
}

function meansOf(samples: number[][]): number[] {
  return samples[0]!.map((_, index) => samples.reduce((sum, values) => sum + values[index]!, 0) / samples.length);
}

/** Unbiased, [feature][feature]. */
function covarianceOf(samples: number[][], means: number[]): number[][] {
  return means.map((meanI, i) =>
    means.map((meanJ, j) => {
      const sum = samples.reduce((total, values) => total + (values[i]! - meanI) * (values[j]! - meanJ), 0);
      return sum / (samples.length - 1);
    }),
  );
}
