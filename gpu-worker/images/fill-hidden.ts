import { unitOf } from './bit-depth.ts';
import type { Pixels } from './image.ts';

/** From this opacity on, a color is taken as it is. Below it, eight bits of a color multiplied by alpha are too few. */
const TRUSTED_OPACITY = 0.25;

/** The picture, or a smaller one that was made of it. */
interface Level {
  width: number;
  height: number;
  values: Pixels['data'] | Float32Array;
  /** How much each pixel tells of its color: its opacity; in smaller pictures the sum of four, at most `full`. */
  weights: Pixels['data'] | Float32Array;
  full: number;
}

/**
 * The photo with the colors of hidden pixels made up from the visible ones: pull-push (Gortler et al. 1996), weighted
 * by opacity. The color below alpha is arbitrary, often black; networks and filters would draw it over the edge.
 * `alpha`: one channel of the same size. All becomes black where nothing can be seen.
 */
export function fillHidden(pixels: Pixels, alpha: Pixels): Pixels {
  const { width, height, channels, data } = pixels;
  const full = 255 * unitOf(alpha.data);
  const filled = fill({ width, height, values: data, weights: alpha.data, full }, channels);
  return { ...pixels, data: filled as Pixels['data'] };
}

/** Every color of the level, those with little weight from the level above. */
function fill(level: Level, channels: number): Level['values'] {
  const { width, height, values, weights, full } = level;
  const trusted = full * TRUSTED_OPACITY;
  if (weights.every((weight) => weight >= trusted)) return values;
  if (width === 1 && height === 1) return weights[0] === 0 ? values.slice().fill(0) : values;
  const half = halve(level, channels);
  const coarse = fill(half, channels);
  const filled = values.slice();
  const isWhole = !(values instanceof Float32Array);
  for (let y = 0, pixel = 0; y < height; y++) {
    const [row, otherRow] = neighbors(y, half.height).map((at) => at * half.width) as [number, number];
    for (let x = 0; x < width; x++, pixel++) {
      const trust = weights[pixel]! / trusted;
      if (trust >= 1) continue;
      const [column, otherColumn] = neighbors(x, half.width);
      for (let channel = 0; channel < channels; channel++) {
        const at = (place: number) => coarse[place * channels + channel]!;
        const near = 3 * at(row + column) + at(row + otherColumn);
        const far = 3 * at(otherRow + column) + at(otherRow + otherColumn);
        const value = trust * values[pixel * channels + channel]! + ((1 - trust) * (3 * near + far)) / 16;
        filled[pixel * channels + channel] = isWhole ? Math.round(value) : value;
      }
    }
  }
  return filled;
}

/** Positions of the halved axis on both sides of `position`: the nearer one, which counts three times, and the other. */
function neighbors(position: number, size: number): [number, number] {
  const nearer = position >> 1;
  const other = position % 2 === 0 ? nearer - 1 : nearer + 1;
  return [nearer, Math.min(size - 1, Math.max(0, other))];
}

/** Half as large: colors are means by weight, weights are sums. */
function halve({ width, height, values, weights, full }: Level, channels: number): Level {
  const half = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const sums = new Float32Array(half.width * half.height * channels);
  const totals = new Float32Array(half.width * half.height);
  for (let y = 0, pixel = 0; y < height; y++) {
    for (let x = 0; x < width; x++, pixel++) {
      const weight = weights[pixel]! / full;
      if (weight === 0) continue;
      const target = (y >> 1) * half.width + (x >> 1);
      totals[target]! += weight;
      for (let channel = 0; channel < channels; channel++) {
        sums[target * channels + channel]! += weight * values[pixel * channels + channel]!;
      }
    }
  }
  for (const [index, total] of totals.entries()) {
    for (let channel = 0; channel < channels && total > 0; channel++) sums[index * channels + channel]! /= total;
    totals[index] = Math.min(1, total);
  }
  return { ...half, values: sums, weights: totals, full: 1 };
}
