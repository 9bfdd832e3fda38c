import { cutPlane, filterPlane, gaussianKernel, type Plane } from '../plane.ts';

/** Rows and columns of each border that do not count: networks guess there (the paper, and BasicSR at a scale of 4). */
const BORDER = 4;
/** The PSNR of equal pictures: JSON has no infinity. */
const MAX_DECIBELS = 100;

/** Wang et al. 2004, section III.C. */
const SSIM_WINDOW = { length: 11, sigma: 1.5 };
const STABILIZERS = [(0.01 * 255) ** 2, (0.03 * 255) ** 2] as const;

/** Without the border. Throws RangeError where nothing is left for the window of SSIM. */
export function withoutBorder(plane: Plane): Plane {
  const [width, height] = [plane.width - 2 * BORDER, plane.height - 2 * BORDER];
  if (Math.min(width, height) < SSIM_WINDOW.length) {
    throw new RangeError(`A picture of ${plane.width}×${plane.height} is too small for PSNR and SSIM.`);
  }
  return cutPlane(plane, BORDER, BORDER, width, height);
}

/** Peak signal-to-noise ratio in dB, peak 255; 100 at most. Both planes have one size. */
export function psnr(a: Plane, b: Plane): number {
  let sum = 0;
  for (let index = 0; index < a.data.length; index++) sum += (a.data[index]! - b.data[index]!) ** 2;
  return Math.min(MAX_DECIBELS, 10 * Math.log10((255 ** 2 * a.data.length) / sum));
}

/** Mean structural similarity where the whole 11×11 Gaussian window lies inside; range 255. Both planes have one size. */
export function ssim(a: Plane, b: Plane): number {
  const blur = (plane: Plane) => filterPlane(plane, gaussianKernel(SSIM_WINDOW.length, SSIM_WINDOW.sigma)).data;
  const [meanA, meanB] = [blur(a), blur(b)];
  const [squareA, squareB, product] = [blur(multiply(a, a)), blur(multiply(b, b)), blur(multiply(a, b))];
  const [c1, c2] = STABILIZERS;
  const radius = (SSIM_WINDOW.length - 1) / 2;
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
