import type { Tensor } from '../tensor/tensor.ts';

/** One channel in row-major order, in double precision. */
interface Plane {
  width: number;
  height: number;
  data: Float64Array;
}

export type ResizeMode = 'area' | 'bilinear' | 'bicubic';

interface Taps {
  positions: number[];
  weights: number[];
}

/**
 * Fills `target` with `source` at the target's size, as PyTorch and OpenCV do: half a pixel in from the borders, which go
 * on outside; cubic with a = −0.75; nothing is smoothed before, but `area` takes the mean of pixels that fall together.
 */
export function resizePlane(source: Plane, target: Plane, mode: ResizeMode): void {
  const columns = tapsOf(mode, source.width, target.width);
  const rows = tapsOf(mode, source.height, target.height);
  const wide = new Float64Array(target.width * source.height);
  for (let y = 0; y < source.height; y++) {
    for (const [x, { positions, weights }] of columns.entries()) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++)
        sum += weights[tap]! * source.data[y * source.width + positions[tap]!]!;
      wide[y * target.width + x] = sum;
    }
  }
  target.data.fill(0);
  for (const [y, { positions, weights }] of rows.entries()) {
    for (const [tap, weight] of weights.entries()) {
      const from = positions[tap]! * target.width;
      for (let x = 0; x < target.width; x++) target.data[y * target.width + x]! += weight * wide[from + x]!;
    }
  }
}

/** [1, c, h, w] → [1, c, factor·h, factor·w], cubic; values may lie beyond those that are there. */
export function enlargeCubic(tensor: Tensor, factor: number): Tensor {
  const [height, width] = tensor.shape.slice(2) as [number, number];
  return resizeTensor(tensor, { width: factor * width, height: factor * height }, 'bicubic');
}

/** [1, c, h, w] → [1, c, height, width], as `resizePlane` does it; nothing is clamped. */
export function resizeTensor(
  { data, shape }: Tensor,
  size: { width: number; height: number },
  mode: ResizeMode,
): Tensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  const area = size.width * size.height;
  const resized = new Float32Array(channels * area);
  const target = { ...size, data: new Float64Array(area) };
  for (let channel = 0; channel < channels; channel++) {
    const plane = Float64Array.from(data.subarray(channel * height * width, (channel + 1) * height * width));
    resizePlane({ width, height, data: plane }, target, mode);
    resized.set(target.data, channel * area);
  }
  return { data: resized, shape: [1, channels, size.height, size.width] };
}

/** The taps of each of `to` positions. */
function tapsOf(mode: ResizeMode, from: number, to: number): Taps[] {
  return Array.from({ length: to }, (_, position) => {
    if (mode === 'area') return meanTaps(Math.floor((position * from) / to), Math.ceil(((position + 1) * from) / to));
    const center = (position + 0.5) * (from / to) - 0.5;
    const first = Math.floor(center);
    const weights = mode === 'bilinear' ? linearWeights(center - first) : cubicWeights(center - first);
    const start = first - (weights.length / 2 - 1);
    return { positions: weights.map((_, tap) => Math.min(from - 1, Math.max(0, start + tap))), weights };
  });
}

function meanTaps(start: number, end: number): Taps {
  const positions = Array.from({ length: end - start }, (_, index) => start + index);
  return { positions, weights: positions.map(() => 1 / positions.length) };
}

function linearWeights(fraction: number): number[] {
  return [1 - fraction, fraction];
}

function cubicWeights(fraction: number): number[] {
  const a = -0.75;
  const near = (x: number) => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x: number) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [far(1 + fraction), near(fraction), near(1 - fraction), far(2 - fraction)];
}
