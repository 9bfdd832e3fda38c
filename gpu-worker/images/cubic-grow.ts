import { MODEL_SCALE } from '../../shared/tile-plan.ts';
import type { Pixels } from './image.ts';

type Size = Omit<Pixels, 'data'>;

/** Fixed point, as in libvips: weights are whole multiples of 1 / 4096, and every sum is rounded, halves up. */
const SHIFT = 12;
const HALF = 1 << (SHIFT - 1);
/** Catmull-Rom at `distance` behind the second of four samples (Keys 1981, a = −1/2). */
const weightsAt = (distance: number) => {
  const [one, two, three] = [distance, distance ** 2, distance ** 3];
  const quarters = [-one + 2 * two - three, 2 - 5 * two + 3 * three, one + 4 * two - 3 * three, -two + three];
  return quarters.map((twice) => (twice / 2) * (1 << SHIFT)) as [number, number, number, number];
};
/** The first two of four new samples lie before the old one, the third on it, the last behind it. */
const [BEFORE, NEAR, BEHIND] = [weightsAt(0.5), weightsAt(0.75), weightsAt(0.25)];

/**
 * Interleaved 8-bit rows, four times as wide and high by a cubic filter that continues the borders. The same bytes as
 * libvips gives for `kernel: 'cubic'` (its `affine` with `bicubic`), in less than half of its time.
 */
export function growCubic(rows: Uint8Array, { width, height, channels }: Size): Uint8Array {
  const length = width * MODEL_SCALE * channels;
  const grown = new Uint8ClampedArray(height * MODEL_SCALE * length);
  const wide = new Map<number, Int16Array>();
  const wideRow = (row: number): Int16Array => {
    const y = Math.min(height - 1, Math.max(0, row));
    const known = wide.get(y);
    if (known) return known;
    const made = growRow(rows.subarray(y * width * channels, (y + 1) * width * channels), width, channels);
    wide.set(y, made);
    return made;
  };
  for (let y = 0; y < height; y++) {
    const [a, b, c, d, e] = [-2, -1, 0, 1, 2].map((step) => wideRow(y + step)) as [Int16Array, ...Int16Array[]];
    const target = y * MODEL_SCALE * length;
    mix(grown, target, [a, b!, c!, d!], BEFORE);
    mix(grown, target + length, [a, b!, c!, d!], NEAR);
    grown.set(c!, target + 2 * length);
    mix(grown, target + 3 * length, [b!, c!, d!, e!], BEHIND);
    wide.delete(y - 2);
  }
  return new Uint8Array(grown.buffer);
}

type Four<T> = [T, T, T, T];

/** Writes a row of the weighted sums of four, clamped. */
function mix(grown: Uint8ClampedArray, start: number, [a, b, c, d]: Four<Int16Array>, weights: Four<number>): void {
  const [first, second, third, fourth] = weights;
  for (let index = 0; index < a.length; index++) {
    const sum = first * a[index]! + second * b[index]! + third * c[index]! + fourth * d[index]!;
    grown[start + index] = (sum + HALF) >> SHIFT;
  }
}

/** A row four times as wide, not clamped yet. */
function growRow(row: Uint8Array, width: number, channels: number): Int16Array {
  const wide = new Int16Array(width * MODEL_SCALE * channels);
  const last = width - 1;
  for (let x = 0; x < width; x++) {
    const [farLeft, left] = [Math.max(0, x - 2) * channels, Math.max(0, x - 1) * channels];
    const [right, farRight] = [Math.min(last, x + 1) * channels, Math.min(last, x + 2) * channels];
    for (let channel = 0; channel < channels; channel++) {
      const a = row[farLeft + channel]!;
      const b = row[left + channel]!;
      const c = row[x * channels + channel]!;
      const d = row[right + channel]!;
      const e = row[farRight + channel]!;
      const target = x * MODEL_SCALE * channels + channel;
      wide[target] = weigh(a, b, c, d, BEFORE);
      wide[target + channels] = weigh(a, b, c, d, NEAR);
      wide[target + 2 * channels] = c;
      wide[target + 3 * channels] = weigh(b, c, d, e, BEHIND);
    }
  }
  return wide;
}

function weigh(a: number, b: number, c: number, d: number, weights: Four<number>): number {
  return (weights[0] * a + weights[1] * b + weights[2] * c + weights[3] * d + HALF) >> SHIFT;
}
