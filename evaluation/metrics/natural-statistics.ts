import { createPlane, filterPlane, gaussianKernel, type Plane } from '../plane.ts';
import { gamma } from './gamma.ts';

/** Shared by NIQE and BRISQUE: the statistics of natural scenes (Mittal et al. 2012 and 2013). */

const WINDOW = gaussianKernel(7, 7 / 6);

/** Levels that differ less from their mean do so by rounding: flat parts shall be flat, not full of signs. */
const FLAT = 1e-9;

/** Mean-subtracted, contrast-normalized: (I − μ) / (σ + 1) of levels 0..255, μ and σ under a 7×7 Gaussian. */
export function normalizeContrast(plane: Plane): Plane {
  return normalize(plane, (one) => filterPlane(one, WINDOW), FLAT);
}

/**
 * The same as pyiqa has it: the window in two dimensions, its 49 weights rounded to fp32. They add up to a little more than 1,
 * so that flat parts are a little below their mean.
 */
export function pyiqaContrast(plane: Plane): Plane {
  return normalize(plane, filterRounded, 0);
}

function normalize(plane: Plane, blur: (plane: Plane) => Plane, flat: number): Plane {
  const means = blur(plane).data;
  const squareMeans = blur({ ...plane, data: plane.data.map((value) => value ** 2) }).data;
  const data = plane.data.map((value, index) => {
    const mean = means[index]!;
    if (Math.abs(value - mean) < flat) return 0;
    return (value - mean) / (Math.sqrt(Math.abs(squareMeans[index]! - mean ** 2)) + 1);
  });
  return { ...plane, data };
}

/** The border pixels go on outside. */
function filterRounded({ width, height, data }: Plane): Plane {
  const filtered = createPlane(width, height);
  const radius = (WINDOW.length - 1) / 2;
  for (const [down, rowWeight] of WINDOW.entries()) {
    for (const [right, weight] of WINDOW.map((one) => Math.fround(one * rowWeight)).entries()) {
      for (let y = 0; y < height; y++) {
        const from = Math.min(height - 1, Math.max(0, y + down - radius)) * width;
        for (let x = 0; x < width; x++) {
          const column = Math.min(width - 1, Math.max(0, x + right - radius));
          filtered.data[y * width + x]! += weight * data[from + column]!;
        }
      }
    }
  }
  return filtered;
}

/** Right, below and both diagonals, in the order of the features. */
export const NEIGHBORS = [
  { down: 0, right: 1 },
  { down: 1, right: 0 },
  { down: 1, right: 1 },
  { down: 1, right: -1 },
] as const;

/** Every value times its neighbor; beyond the border it goes on at the other side, or there is 0. */
export function neighborProducts(
  { width, height, data }: Plane,
  { down, right }: (typeof NEIGHBORS)[number],
  border: 'wrap' | 'zero',
): Plane {
  const products = createPlane(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [row, column] = [y + down, x + right];
      if (border === 'zero' && (row >= height || column < 0 || column >= width)) continue;
      const neighbor = (row % height) * width + ((column + width) % width);
      products.data[y * width + x] = data[y * width + x]! * data[neighbor]!;
    }
  }
  return products;
}

/** An asymmetric generalized Gaussian distribution with its mode at 0. */
export interface Distribution {
  /** 2 is the Gaussian, 1 the Laplacian; 0.2..10 in steps of 0.001. NaN, as all else, where there are not both signs. */
  shape: number;
  /** Root mean squares of the negative and of the positive values. */
  left: number;
  right: number;
  /** Width of a side of that distribution for a root mean square of 1. */
  unitScale: number;
  /** Mean for a distance of the sides' widths of 1. */
  unitMean: number;
}

const SHAPES = Float64Array.from({ length: 9801 }, (_, index) => 0.2 + index * 0.001);
/** Squared mean of the magnitudes over the mean square, of every shape: it rises with it. */
const RATIOS = SHAPES.map((shape) => gamma(2 / shape) ** 2 / (gamma(1 / shape) * gamma(3 / shape)));

/** By moment matching (Lasmar et al. 2009). */
export function fitDistribution({ data }: Plane): Distribution {
  let [negatives, positives, negativeSquares, positiveSquares, magnitudes] = [0, 0, 0, 0, 0];
  for (const value of data) {
    if (value < 0) {
      negatives++;
      negativeSquares += value ** 2;
    } else if (value > 0) {
      positives++;
      positiveSquares += value ** 2;
    }
    magnitudes += Math.abs(value);
  }
  const left = Math.sqrt(negativeSquares / negatives);
  const right = Math.sqrt(positiveSquares / positives);
  const balance = left / right;
  const ratio = (magnitudes / data.length) ** 2 / ((negativeSquares + positiveSquares) / data.length);
  const symmetric = (ratio * (balance ** 3 + 1) * (balance + 1)) / (balance ** 2 + 1) ** 2;
  const shape = Number.isNaN(symmetric) ? Number.NaN : SHAPES[nearest(RATIOS, symmetric)]!;
  const unitScale = Math.sqrt(gamma(1 / shape) / gamma(3 / shape));
  return { shape, left, right, unitScale, unitMean: gamma(2 / shape) / gamma(1 / shape) };
}

/** Position of the rising value that is nearest, the first of two. */
function nearest(rising: Float64Array, value: number): number {
  let [low, high] = [0, rising.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle]! < value) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return 0;
  return value - rising[low - 1]! <= rising[low]! - value ? low - 1 : low;
}
