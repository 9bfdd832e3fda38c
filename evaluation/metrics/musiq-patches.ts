import { resizePlane } from '../../gpu-worker/images/torch-resize.ts';
import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { createPlane, roundHalfToEven } from '../plane.ts';

export const PATCH = 32;
/** Longer sides of the reduced pictures; the third scale is the picture itself. */
const LONGER_SIDES = [224, 384];
/** Positions a side that the network has embeddings for. */
const GRID = 10;

/** All patches of a picture, scale by scale and row by row. */
export interface Patches {
  /** [n, 3, 32, 32] in −1..1; what lies outside a picture is 0. */
  patches: Tensor;
  /** Of each, 0..99: its row and column in a grid of 10 × 10 over its picture. */
  positions: number[];
  /** Of each: 0, 1 or 2. */
  scales: number[];
}

/**
 * [1, 3, h, w] in 0..1 → the same in −1..1 at three sizes: longer side 224, longer side 384, as it is. Bicubic as PyTorch's, not
 * smoothed. Throws RangeError for a picture that is more than some 448 times as long as wide.
 */
export function scalePicture(picture: Tensor): Tensor[] {
  const signed = { ...picture, data: picture.data.map((value) => (value - 0.5) * 2) };
  return [...LONGER_SIDES.map((side) => resized(signed, side)), signed];
}

function resized({ data, shape }: Tensor, longer: number): Tensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  const ratio = longer / Math.max(height, width);
  const target = { height: roundHalfToEven(height * ratio), width: roundHalfToEven(width * ratio) };
  if (Math.min(target.height, target.width) < 1) {
    throw new RangeError(`A picture of ${width}×${height} is too narrow for MUSIQ.`);
  }
  const result = new Float32Array(channels * target.height * target.width);
  const area = height * width;
  for (let channel = 0; channel < channels; channel++) {
    const plane = { width, height, data: Float64Array.from(data.subarray(channel * area, (channel + 1) * area)) };
    const small = createPlane(target.width, target.height);
    resizePlane(plane, small, 'bicubic');
    result.set(small.data, channel * small.data.length);
  }
  return { data: result, shape: [1, channels, target.height, target.width] };
}

/** `pictures`: see `scalePicture`. */
export function cutPatches(pictures: readonly Tensor[]): Patches {
  const counts = pictures.map(({ shape }) => Math.ceil(shape[2]! / PATCH) * Math.ceil(shape[3]! / PATCH));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const data = new Float32Array(total * 3 * PATCH ** 2);
  const positions: number[] = [];
  const scales: number[] = [];
  for (const [scale, picture] of pictures.entries()) {
    const [rows, columns] = [picture.shape[2]!, picture.shape[3]!].map((side) => Math.ceil(side / PATCH)) as [
      number,
      number,
    ];
    const [down, right] = [gridPositions(rows), gridPositions(columns)];
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        copyPatch(picture, row, column, data, positions.length * 3 * PATCH ** 2);
        positions.push(GRID * down[row]! + right[column]!);
        scales.push(scale);
      }
    }
  }
  return { patches: { data, shape: [total, 3, PATCH, PATCH] }, positions, scales };
}

/** The rest at the borders is divided between both sides, the odd pixel goes below and to the right. */
function copyPatch({ data, shape }: Tensor, row: number, column: number, target: Float32Array, start: number): void {
  const [height, width] = [shape[2]!, shape[3]!];
  const before = (side: number) => Math.floor((Math.ceil(side / PATCH) * PATCH - side) / 2);
  const [top, left] = [row * PATCH - before(height), column * PATCH - before(width)];
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < PATCH; y++) {
      if (top + y < 0 || top + y >= height) continue;
      for (let x = 0; x < PATCH; x++) {
        if (left + x < 0 || left + x >= width) continue;
        target[start + (channel * PATCH + y) * PATCH + x] = data[(channel * height + top + y) * width + left + x]!;
      }
    }
  }
}

/** Places of `count` patches a side in the grid, in the fp32 of the original: it differs from whole numbers at 205 and above. */
export function gridPositions(count: number): number[] {
  const step = Math.fround(GRID / count);
  return Array.from({ length: count }, (_, index) => Math.min(GRID - 1, Math.floor(Math.fround(index * step))));
}
