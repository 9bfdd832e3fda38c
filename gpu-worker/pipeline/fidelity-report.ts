import type { FidelityReport } from '../../shared/job.ts';
import type { Comparison } from './compare.ts';

/** What a PSNR without any difference is called: JSON has no infinity. */
const MAX_DECIBELS = 100;

/** What the job says about its result: how true it is to the photo, and how much was added. */
export function reportFidelity({ meanSquareError, deltaE, addedDetail }: Comparison): FidelityReport {
  return { psnr: round(toDecibels(meanSquareError)), delta_e: round(deltaE), added_detail: round(addedDetail) };
}

/** Peak signal-to-noise ratio of 8-bit values. */
export function toDecibels(meanSquareError: number): number {
  return Math.min(MAX_DECIBELS, 10 * Math.log10(255 ** 2 / meanSquareError));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
