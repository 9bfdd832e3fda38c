import { AppError } from '../../shared/error.ts';
import type { ColorFix } from '../../shared/methods/parameters.ts';
import { blur } from '../images/blur.ts';
import type { Pixels } from '../images/image.ts';

/** Distances of the taps of the five blurs, in pixels. */
const WAVELET_RADII = [1, 2, 4, 8, 16];
/** Added to the variances, of values 0..1, by the reference. */
const VARIANCE_FLOOR = 1e-5;

/**
 * The restored picture with the colors of the photo as the published script gives them: compared with the enlarged photo,
 * and rounded down, which makes pictures darker by half a level. Both 8-bit, of equal size. Two floats a pixel are held
 * beside the result, for one channel at a time.
 */
export function fixColorsAsPublished(result: Pixels, reference: Pixels, method: ColorFix): Pixels {
  if (method === 'none') return result;
  const sizes = [result, reference].map(({ width, height, channels }) => `${width} × ${height} × ${channels}`);
  if (sizes[0] !== sizes[1])
    throw new AppError('engine-failed', `Colors of ${sizes[1]} cannot be given to a picture of ${sizes[0]}.`);
  const fix = method === 'adain' ? adain : wavelet;
  const data = new Uint8Array(result.data.length);
  for (let channel = 0; channel < result.channels; channel++) fix(result, reference, channel, data);
  return { ...result, data };
}

function adain(result: Pixels, reference: Pixels, channel: number, output: Uint8Array): void {
  const [from, to] = [moments(result, channel), moments(reference, channel)];
  const table = Uint8Array.from({ length: 256 }, (_, value) =>
    toByte(((value - from.mean) / from.deviation) * to.deviation + to.mean),
  );
  for (let index = channel; index < output.length; index += result.channels)
    output[index] = table[result.data[index]!]!;
}

/** Of one channel, in levels 0..255. */
function moments({ data, channels }: Pixels, channel: number): { mean: number; deviation: number } {
  const count = data.length / channels;
  let sum = 0;
  for (let index = channel; index < data.length; index += channels) sum += data[index]!;
  const mean = sum / count;
  let squares = 0;
  for (let index = channel; index < data.length; index += channels) squares += (data[index]! - mean) ** 2;
  // One pixel has no variance of its own.
  const variance = squares / Math.max(1, count - 1);
  return { mean, deviation: Math.sqrt(variance + VARIANCE_FLOOR * 255 ** 2) };
}

/** The blurs leave out the sum of all fine bands, so: result + blurred (photo − result), one chain of blurs. */
function wavelet(result: Pixels, reference: Pixels, channel: number, output: Uint8Array): void {
  const { width, height, channels } = result;
  const difference = new Float32Array(width * height);
  for (let pixel = 0, index = channel; pixel < difference.length; pixel++, index += channels)
    difference[pixel] = reference.data[index]! - result.data[index]!;
  const scratch = new Float32Array(width * height);
  for (const radius of WAVELET_RADII) blur(difference, width, radius, scratch);
  for (let pixel = 0, index = channel; pixel < difference.length; pixel++, index += channels)
    output[index] = toByte(result.data[index]! + difference[pixel]!);
}

function toByte(value: number): number {
  return Math.floor(Math.min(255, Math.max(0, value)));
}
