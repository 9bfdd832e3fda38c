import { filterPlane, gaussianKernel, luminance, type Plane, withoutBorder } from '../plane.ts';
import { pictureMetric } from './metric.ts';
import { BORDER } from './psnr.ts';

/** Wang et al. 2004, section III.C. */
const WINDOW = { length: 11, sigma: 1.5 };
const STABILIZERS = [(0.01 * 255) ** 2, (0.03 * 255) ** 2] as const;

export const ssimMetric = {
  id: 'ssim',
  label: 'SSIM-Y',
  digits: 4,
  better: 'higher',
  looksAt: 'pair',
  open: async () =>
    pictureMetric((result, truth) => {
      return ssim(withoutBorder(luminance(result), BORDER), withoutBorder(luminance(truth), BORDER));
    }),
} as const;

/**
 * Mean structural similarity where the whole 11×11 Gaussian window lies inside; range 255. Both planes have one size.
 * Throws RangeError where the window has no place.
 */
export function ssim(a: Plane, b: Plane): number {
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
      sum += ((2 * mu * nu + c1) * (2 * covariance + c2)) / ((mu ** 2 + nu ** 2 + c1) * (variances + c2));
    }
  }
  return sum / ((a.width - 2 * radius) * (a.height - 2 * radius));
}

function multiply(a: Plane, b: Plane): Plane {
  return { ...a, data: a.data.map((value, index) => value * b.data[index]!) };
}
