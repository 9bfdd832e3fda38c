import { luminance, type Plane, withoutBorder } from '../plane.ts';
import { type OpenOptions, pictureMetric } from './metric.ts';

/** The PSNR of equal pictures: JSON has no infinity. */
const MAX_DECIBELS = 100;
/** What pyiqa adds to the mean square error of 0..1: equal pictures have 80 dB. */
export const PYIQA_ERROR = 1e-8;

export const psnrMetric = {
  id: 'psnr',
  label: 'PSNR-Y',
  digits: 2,
  better: 'higher',
  looksAt: 'pair',
  async open({ protocol: { border, arithmetic } }: OpenOptions) {
    const added = arithmetic === 'pyiqa' ? PYIQA_ERROR : 0;
    return pictureMetric((result, truth) => {
      return psnr(withoutBorder(luminance(result), border), withoutBorder(luminance(truth), border), added);
    });
  },
} as const;

/**
 * Peak signal-to-noise ratio in dB, peak 255; 100 at most. Both planes have one size. `added`: to the mean square error of values
 * 0..1.
 */
export function psnr(a: Plane, b: Plane, added = 0): number {
  let sum = 0;
  for (let index = 0; index < a.data.length; index++) sum += (a.data[index]! - b.data[index]!) ** 2;
  return Math.min(MAX_DECIBELS, -10 * Math.log10(sum / a.data.length / 255 ** 2 + added));
}
