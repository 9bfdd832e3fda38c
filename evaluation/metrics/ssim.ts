import { filterPlane, gaussianKernel, luminance, type Plane, wholeLevels, withoutBorder } from '../plane.ts';
import { type OpenOptions, pictureMetric } from './metric.ts';

/** Wang et al. 2004, section III.C. */
const WINDOW = { length: 11, sigma: 1.5 };
const STABILIZERS = [(0.01 * 255) ** 2, (0.03 * 255) ** 2] as const;

export const ssimMetric = {
  id: 'ssim',
  label: 'SSIM-Y',
  digits: 4,
  better: 'higher',
  looksAt: 'pair',
  async open({ protocol: { border, arithmetic } }: OpenOptions) {
    return pictureMetric((result, truth) => {
      const [a, b] = [withoutBorder(luminance(result), border), withoutBorder(luminance(truth), border)];
      return arithmetic === 'pyiqa' ? pyiqaSsim(a, b) : ssim(a, b);
    });
  },
} as const;

/** As pyiqa: of whole levels, and where structures are opposite there is none. Throws as below. */
export function pyiqaSsim(a: Plane, b: Plane): number {
  return ssim(wholeLevels(a), wholeLevels(b), 0);
}

/**
 * Mean structural similarity where the whole 11×11 Gaussian window lies inside; range 255. Both planes have one size. `least`:
 * of the term of contrast and structure. Throws RangeError where the window has no place.
 */
export function ssim(a: Plane, b: Plane, least = -1): number {
  if (Math.min(a.width, a.height) < WINDOW.length) {
    throw new RangeError(`${a.width}×${a.height} pixels are too few for SSIM, whose window has ${WINDOW.length}².`);
  }
  const blur = (plane: Plane) => filterPlane(plane, gaussianKernel(WINDOW.length, WINDOW.sigma)).data;
  const [meanA, meanB] = [blur(a), blur(b)];
  const [squareA, squareB, product] = [blur(multiply(a, a)), blur(multiply(b, b)), blur(multiply(a, b))];
  const [c1, c2] = STABILIZERS;
  const radius = (WINDOW.length - 1) / 2;
  let sum = 0;
  for (let y = radius; y < a.height - radius; y++) {
    for (let x = radius; x < a.width - radius; x++) {
      const index = y * a.width + x;
      const [mu, nu] = [meanA[index]!, meanB[index]!];
      const variances = squareA[index]! - mu ** 2 + squareB[index]! - nu ** 2;
      const covariance = product[index]! - mu * nu;
      const structure = Math.max(least, (2 * covariance + c2) / (variances + c2));
      sum += ((2 * mu * nu + c1) / (mu ** 2 + nu ** 2 + c1)) * structure;
    }
  }
  return sum / ((a.width - 2 * radius) * (a.height - 2 * radius));
}

function multiply(a: Plane, b: Plane): Plane {
  return { ...a, data: a.data.map((value, index) => value * b.data[index]!) };
}
