import type { Tensor } from './tensor.ts';

/** A position in a row of `size` that goes on as its mirror images, the border itself not repeated. */
export function mirrored(position: number, size: number): number {
  if (size === 1) return 0;
  const place = position % (2 * (size - 1));
  return place < size ? place : 2 * (size - 1) - place;
}

/** The same, the border repeated. */
export function mirroredWithBorder(position: number, size: number): number {
  const place = position % (2 * size);
  return place < size ? place : 2 * size - 1 - place;
}

/** [1, c, h, w], continued by its mirror images at the right and the bottom up to sides that are multiples. */
export function mirrorToMultiple(tensor: Tensor, multiple: number): Tensor {
  const [, , height, width] = tensor.shape as [number, number, number, number];
  const sides = [height, width].map((side) => Math.ceil(side / multiple) * multiple) as [number, number];
  return mirrorTo(tensor, sides, mirrored);
}

/** [1, c, h, w] → [1, c, rows, columns], continued at the right and the bottom by one of the functions above. */
export function mirrorTo(tensor: Tensor, [rows, columns]: readonly [number, number], mirror: typeof mirrored): Tensor {
  const [, channels, height, width] = tensor.shape as [number, number, number, number];
  if (rows === height && columns === width) return tensor;
  const data = new Float32Array(channels * rows * columns);
  let target = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < rows; y++) {
      const row = (channel * height + mirror(y, height)) * width;
      for (let x = 0; x < columns; x++) data[target++] = tensor.data[row + mirror(x, width)]!;
    }
  }
  return { data, shape: [1, channels, rows, columns] };
}
