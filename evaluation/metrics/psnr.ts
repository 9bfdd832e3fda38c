import { luminance, type Plane, withoutBorder } from '../plane.ts';
import { pictureMetric } from './metric.ts';

/** Rows and columns of each border that do not count: networks guess there (the paper, and BasicSR at a scale of 4). */
export const BORDER = 4;
/** The PSNR of equal pictures: JSON has no infinity. */
const MAX_DECIBELS = 100;

export const psnrMetric = {
  id: 'psnr',
  label: 'PSNR-Y',
  digits: 2,
  better: 'higher',
  looksAt: 'pair',
  open: async () =>
    pictureMetric((result, truth) => {
      return psnr(withoutBorder(luminance(result), BORDER), withoutBorder(luminance(truth), BORDER));
    }),
} as const;

/** Peak signal-to-noise ratio in dB, peak 255; 100 at most. Both planes have one size. */
export function psnr(a: Plane, b: Plane): number {
  let sum = 0;
  for (let index = 0; index < a.data.length; index++) sum += (a.data[index]! - b.data[index]!) ** 2;
  return Math.min(MAX_DECIBELS, 10 * Math.log10((255 ** 2 * a.data.length) / sum));
}
