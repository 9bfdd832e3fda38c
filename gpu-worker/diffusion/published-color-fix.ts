import { AppError } from '../../shared/error.ts';
import type { Pixels } from '../images/image.ts';

/**
 * `adain`: mean and deviation of each channel as in the photo (Huang & Belongie 2017). `wavelet`: what is coarser than
 * about 31 pixels as in the photo, what is finer as restored (Wang et al. 2023, StableSR). `none`: as restored.
 */
export type ColorFix = 'adain' | 'wavelet' | 'none';

/** To 8 bits; `down`, as in the reference, makes pictures darker by half a level. */
type Rounding = 'nearest' | 'down';

/** Distances of the taps of the five blurs, in pixels. */
const WAVELET_RADII = [1, 2, 4, 8, 16];
/** Added to the variances, of values 0..1, by the reference. */
const VARIANCE_FLOOR = 1e-5;

/**
 * The restored picture with the colors of the photo: diffusion moves them a little. Both 8-bit, of equal size; the
 * photo's is the enlarged one. Two floats a pixel are held beside the result, for one channel at a time.
 */
export function fixColors(result: Pixels, reference: Pixels, method: ColorFix, rounding: Rounding): Pixels {
  if (method === 'none') return result;
  const sizes = [result, reference].map(({ width, height, channels }) => `${width} × ${height} × ${channels}`);
  if (sizes[0] !== sizes[1])
    throw new AppError('engine-failed', `Colors of ${sizes[1]} cannot be given to a picture of ${sizes[0]}.`);
  const fix = method === 'adain' ? adain : wavelet;
  const data = new Uint8Array(result.data.length);
  for (let channel = 0; channel < result.channels; channel++) fix(result, reference, channel, rounding, data);
  return { ...result, data };
}

function adain(result: Pixels, reference: Pixels, channel: number, rounding: Rounding, output: Uint8Array): void {
  const [from, to] = [moments(result, channel), moments(reference, channel)];
  const table = Uint8Array.from({ length: 256 }, (_, value) =>
    toByte(((value - from.mean) / from.deviation) * to.deviation + to.mean, rounding),
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

/** The sum of all fine bands is what the blurs leave out, so: result + blurred (photo − result), one chain of blurs. */
function wavelet(result: Pixels, reference: Pixels, channel: number, rounding: Rounding, output: Uint8Array): void {
  const { width, height, channels } = result;
  const difference = new Float32Array(width * height);
  for (let pixel = 0, index = channel; pixel < difference.length; pixel++, index += channels)
    difference[pixel] = reference.data[index]! - result.data[index]!;
  const other = new Float32Array(width * height);
  for (const radius of WAVELET_RADII) {
    blurRows(difference, other, width, radius);
    blurColumns(other, difference, width, height, radius);
  }
  for (let pixel = 0, index = channel; pixel < difference.length; pixel++, index += channels)
    output[index] = toByte(result.data[index]! + difference[pixel]!, rounding);
}

/** ¼, ½, ¼ at distances of `radius` along each row; the border value goes on outside. */
function blurRows(source: Float32Array, target: Float32Array, width: number, radius: number): void {
  for (let row = 0; row < source.length; row += width) {
    const last = row + width - 1;
    for (let index = row; index <= last; index++) {
      const before = source[Math.max(row, index - radius)]!;
      const after = source[Math.min(last, index + radius)]!;
      target[index] = (before + after) / 4 + source[index]! / 2;
    }
  }
}

/** The same along each column. */
function blurColumns(source: Float32Array, target: Float32Array, width: number, height: number, radius: number): void {
  for (let y = 0; y < height; y++) {
    const [row, above, below] = [y, Math.max(0, y - radius), Math.min(height - 1, y + radius)].map((at) => at * width);
    for (let x = 0; x < width; x++)
      target[row! + x] = (source[above! + x]! + source[below! + x]!) / 4 + source[row! + x]! / 2;
  }
}

function toByte(value: number, rounding: Rounding): number {
  return Math.floor(Math.min(255, Math.max(0, rounding === 'down' ? value : value + 0.5)));
}
