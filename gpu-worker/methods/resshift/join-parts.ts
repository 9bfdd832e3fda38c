import type { Size } from '../../../shared/methods/method.ts';
import { MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import type { Part } from './mode.ts';

/** The mean where several lie. `results` [1, 3, ..], each four times as large as its part → [1, 3, 4h, 4w]. */
export function joinParts(parts: readonly Part[], results: readonly Tensor[], photo: Size): Tensor {
  if (parts.length === 1) return results[0]!;
  const [height, width] = [MODEL_SCALE * photo.height, MODEL_SCALE * photo.width];
  const shape = [1, 3, height, width];
  const sum = new Float32Array(elementCount(shape));
  const counts = new Uint16Array(sum.length);
  for (const [index, { row, column }] of parts.entries()) {
    const { data, shape } = results[index]!;
    const [, , rows, columns] = shape as [number, number, number, number];
    for (const [position, value] of data.entries()) {
      const [plane, inside] = [Math.floor(position / (rows * columns)), position % (rows * columns)];
      const y = MODEL_SCALE * row.start + Math.floor(inside / columns);
      const target = (plane * height + y) * width + MODEL_SCALE * column.start + (inside % columns);
      sum[target]! += value;
      counts[target]!++;
    }
  }
  return { data: sum.map((value, index) => value / counts[index]!), shape };
}
