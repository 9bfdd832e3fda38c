import type { Tensor } from '../tensor/tensor.ts';
import { type Kernel, resamplingTaps, type Taps } from './resampling.ts';

/**
 * [1, c, h, w] → [1, c, height, width] by a kernel that widens where the result is smaller, as Pillow and PyTorch's
 * `interpolate` with `antialias` do it; nothing is rounded or clamped.
 */
export function resampleTensor(
  { data, shape }: Tensor,
  size: { width: number; height: number },
  kernel: Kernel,
): Tensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  if (size.width === width && size.height === height) return { data, shape };
  const [rows, columns] = [
    resamplingTaps(height, size.height, kernel, true),
    resamplingTaps(width, size.width, kernel, true),
  ];
  const [area, newArea] = [height * width, size.height * size.width];
  const result = new Float32Array(channels * newArea);
  for (let channel = 0; channel < channels; channel++) {
    const plane = data.subarray(channel * area, (channel + 1) * area);
    resamplePlane(plane, width, { rows, columns }, result.subarray(channel * newArea, (channel + 1) * newArea));
  }
  return { data: result, shape: [1, channels, size.height, size.width] };
}

function resamplePlane(
  plane: Float32Array,
  width: number,
  { rows, columns }: { rows: readonly Taps[]; columns: readonly Taps[] },
  result: Float32Array,
): void {
  const line = new Float64Array(width);
  let target = 0;
  for (const row of rows) {
    line.fill(0);
    for (const [tap, weight] of row.weights.entries()) {
      const start = (row.start + tap) * width;
      for (let x = 0; x < width; x++) line[x]! += weight * plane[start + x]!;
    }
    for (const { start, weights } of columns) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * line[start + tap]!;
      result[target++] = sum;
    }
  }
}
