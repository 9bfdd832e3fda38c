import type { Tensor } from '../tensor/tensor.ts';
import type { Pixels } from './image.ts';
import { resamplingTaps, type Taps, triangle } from './resampling.ts';

/** Of ImageNet, for red, green, blue in 0..1. */
const MEAN = [0.485, 0.456, 0.406] as const;
const DEVIATION = [0.229, 0.224, 0.225] as const;

interface TaggerResizeOptions {
  /** Side of the square that the tagger sees, for any shape of the photo; 384 in the published one. */
  size: number;
  /**
   * Average the pixels that fall together where the photo is larger than the square. The reference does not: fine
   * patterns of large photos turn into false ones.
   */
  antialias: boolean;
}

/**
 * The photo as the tagger takes it: bilinear to size × size, normalized, [1, 3, size, size]. Grey counts as three equal
 * channels, 16 bits as their share of 65535.
 */
export function resizeForTagger(pixels: Pixels, { size, antialias }: TaggerResizeOptions): Tensor {
  const rows = resamplingTaps(pixels.height, size, triangle, antialias);
  const columns = resamplingTaps(pixels.width, size, triangle, antialias);
  const data = new Float32Array(3 * size * size);
  for (let channel = 0; channel < 3; channel++) {
    const plane = data.subarray(channel * size * size, (channel + 1) * size * size);
    resizePlane(pixels, channel % pixels.channels, rows, columns, plane);
    for (const [index, value] of plane.entries()) plane[index] = (value - MEAN[channel]!) / DEVIATION[channel]!;
  }
  return { data, shape: [1, 3, size, size] };
}

/** One channel in 0..1: the input rows of an output row are weighed first, then its columns. */
function resizePlane(
  { width, channels, data }: Pixels,
  channel: number,
  rows: Taps[],
  columns: Taps[],
  plane: Float32Array,
) {
  const unit = data instanceof Uint16Array ? 1 / 65_535 : 1 / 255;
  const line = new Float64Array(width);
  let target = 0;
  for (const row of rows) {
    line.fill(0);
    for (const [tap, weight] of row.weights.entries()) {
      let source = (row.start + tap) * width * channels + channel;
      for (let x = 0; x < width; x++, source += channels) line[x]! += weight * unit * data[source]!;
    }
    for (const { start, weights } of columns) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * line[start + tap]!;
      plane[target++] = sum;
    }
  }
}
