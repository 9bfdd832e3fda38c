import type { Pixels } from './image.ts';
import { bicubic, type Kernel, resamplingTaps, type Taps } from './resampling.ts';

/** Weights are whole multiples of 2⁻²², and so are the sums. */
const FRACTION_BITS = 22;

/**
 * Resampling as Pillow does it, bicubic unless `kernel` is another, to the bit: in 8 bits, rows first, rounded to 8 bits in
 * between; a direction that keeps its size is left alone (Pillow's `Resample.c`). Throws RangeError for 16 bits.
 */
export function pillowResize(pixels: Pixels, width: number, height: number, kernel: Kernel = bicubic): Pixels {
  const { channels } = pixels;
  let { data } = pixels;
  if (data instanceof Uint16Array) throw new RangeError('Pillow resamples 8 bits, these pixels have 16.');
  if (width !== pixels.width) data = resizeRows(data, pixels, width, kernel);
  if (height !== pixels.height) data = resizeColumns(data, wholeTaps(pixels.height, height, kernel), width * channels);
  return { width, height, channels, data };
}

/**
 * As Pillow 13 does it, which begins with the columns where the height shrinks more than twice as much as the width:
 * found by its results, of 1474 random sizes and three kernels.
 */
export function pillow13Resize(pixels: Pixels, width: number, height: number, kernel: Kernel = bicubic): Pixels {
  const shrinks = pixels.height - height;
  const isColumnsFirst = shrinks > 0 && 2 * (pixels.width - width) < shrinks;
  const between = isColumnsFirst ? pillowResize(pixels, pixels.width, height, kernel) : pixels;
  return pillowResize(between, width, height, kernel);
}

function resizeRows(
  data: Uint8Array,
  { width, height, channels }: Pixels,
  newWidth: number,
  kernel: Kernel,
): Uint8Array {
  const taps = wholeTaps(width, newWidth, kernel);
  const output = new Uint8Array(newWidth * height * channels);
  let target = 0;
  for (let y = 0; y < height; y++) {
    for (const { start, weights } of taps) {
      const source = (y * width + start) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = 1 << (FRACTION_BITS - 1);
        for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * data[source + channel + tap * channels]!;
        output[target++] = clamp(sum >> FRACTION_BITS);
      }
    }
  }
  return output;
}

function resizeColumns(data: Uint8Array, taps: readonly Taps[], rowLength: number): Uint8Array {
  const output = new Uint8Array(taps.length * rowLength);
  const sums = new Int32Array(rowLength);
  for (const [y, { start, weights }] of taps.entries()) {
    sums.fill(1 << (FRACTION_BITS - 1));
    for (let tap = 0; tap < weights.length; tap++) {
      const source = (start + tap) * rowLength;
      for (let x = 0; x < rowLength; x++) sums[x]! += weights[tap]! * data[source + x]!;
    }
    for (let x = 0; x < rowLength; x++) output[y * rowLength + x] = clamp(sums[x]! >> FRACTION_BITS);
  }
  return output;
}

/** Weights in units of 2⁻²², halves rounded away from 0. */
function wholeTaps(from: number, to: number, kernel: Kernel): Taps[] {
  const round = (weight: number) => Math.trunc(weight * 2 ** FRACTION_BITS + (weight < 0 ? -0.5 : 0.5));
  return resamplingTaps(from, to, kernel, true).map(({ start, weights }) => ({ start, weights: weights.map(round) }));
}

function clamp(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}
