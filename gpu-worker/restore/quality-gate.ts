import { AppError } from '../../shared/error.ts';
import type { FidelityReport } from '../../shared/job.ts';
import { unitOf } from '../images/bit-depth.ts';
import type { Pixels } from '../images/image.ts';
import type { CoarseComparison } from './coarse-blocks.ts';
import type { Comparison } from './compare.ts';

/**
 * The least that any result must be. Measured over 19 photos and 10 pairs of poor photos, both Real-ESRGAN networks,
 * `denoise` 0, 0.5 and 1, with 8 × 8 means: good results agree to 26.4 dB and more, white noise as a photo to 23.8 dB;
 * black, noise and the output of networks with random weights to 6 to 14 dB. Good results keep 0.77 of the photo's
 * variance and more (white noise 0.52); a result of one color or of noise keeps less than 0.03.
 */
const LEAST_AGREEMENT_DECIBELS = 18;
const LEAST_VARIANCE_SHARE = 0.1;
/** Photos flatter than this (a deviation of 4 levels) have no variance that could be missed. */
const LEAST_PHOTO_VARIANCE = 16;
/** The PSNR of pictures without any difference: JSON has no infinity. */
const MAX_DECIBELS = 100;

/** Throws AppError `output-rejected` for a result that is flat, or another picture than the photo. */
export function checkResult({ meanSquareError, photoVariance, resultVariance }: CoarseComparison): void {
  checkVariance(resultVariance, photoVariance);
  const agreement = toDecibels(meanSquareError);
  if (agreement >= LEAST_AGREEMENT_DECIBELS) return;
  throw new AppError(
    'output-rejected',
    `The result, made as small as the photo, agrees with it to ${agreement.toFixed(1)} dB; at least ${LEAST_AGREEMENT_DECIBELS} dB are required.`,
  );
}

/**
 * For the picture as the networks give it, before it gets the colors of the photo: those would hide that there is none.
 * `reference`: the picture that steered them, of the same size. Throws AppError `output-rejected` for a flat one.
 */
export function checkDecoded(picture: Pixels, reference: Pixels): void {
  checkVariance(varianceOf(picture), varianceOf(reference));
}

function checkVariance(result: number, photo: number): void {
  if (photo < LEAST_PHOTO_VARIANCE || result >= LEAST_VARIANCE_SHARE * photo) return;
  throw new AppError(
    'output-rejected',
    `The result is flat: its variance is ${(result / photo).toFixed(3)} of the photo's; at least ${LEAST_VARIANCE_SHARE} is required.`,
  );
}

/** Of all samples about the mean of their channel, in levels. */
function varianceOf({ data, channels }: Pixels): number {
  let total = 0;
  for (let channel = 0; channel < channels; channel++) {
    let [sum, squares] = [0, 0];
    for (let index = channel; index < data.length; index += channels) {
      sum += data[index]!;
      squares += data[index]! ** 2;
    }
    const count = data.length / channels;
    total += squares / count - (sum / count) ** 2;
  }
  return total / channels / unitOf(data) ** 2;
}

/** The report of the job about its result: how true it is to the photo, and how much was added. */
export function reportFidelity({ meanSquareError, deltaE, addedDetail }: Comparison): FidelityReport {
  return { psnr: round(toDecibels(meanSquareError)), delta_e: round(deltaE), added_detail: round(addedDetail) };
}

/** Peak signal-to-noise ratio of 8-bit values. */
function toDecibels(meanSquareError: number): number {
  return Math.min(MAX_DECIBELS, 10 * Math.log10(255 ** 2 / meanSquareError));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
