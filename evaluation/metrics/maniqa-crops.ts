import type { Tensor } from '../../gpu-worker/tensor/tensor.ts';
import { createNumpyRandom } from './numpy-random.ts';

export const CROP = 224;
/** Crops of a picture: the first of a grid of 5 × 5, so that the lowest row is never looked at. */
const GRID = 5;
const CROPS = 20;

export interface Crop {
  x: number;
  y: number;
}

/** Of a picture whose sides have at least 224 pixels; pyiqa has this grid since August 2024, and drew them before. */
export function gridCrops(width: number, height: number): Crop[] {
  const step = (side: number) => Math.floor((side - CROP) / (GRID - 1));
  const [right, down] = [step(width), step(height)];
  return Array.from({ length: CROPS }, (_, index) => ({
    x: (index % GRID) * right,
    y: Math.floor(index / GRID) * down,
  }));
}

/** As pyiqa drew them until then, beginning with this seed: of the first picture it measured. */
export function drawnCrops(width: number, height: number, seed: number): Crop[] {
  const random = createNumpyRandom(seed);
  return Array.from({ length: CROPS }, () => {
    const y = random.below(height - CROP + 1);
    return { x: random.below(width - CROP + 1), y };
  });
}

/** Values of [1, 3, h, w] brought from 0..1 to −1..1, and enlarged where the shorter side has 224 pixels or fewer. */
export function prepareForCrops(picture: Tensor): Tensor {
  const signed = { ...picture, data: picture.data.map((value) => (value - 0.5) / 0.5) };
  const [height, width] = picture.shape.slice(2) as [number, number];
  const shorter = Math.min(width, height);
  return shorter > CROP ? signed : enlarge(signed, (CROP + 1) / shorter);
}

/** Bilinear, by the factor itself and not by the ratio of the sizes, as PyTorch does where it is given a factor. */
function enlarge({ data, shape }: Tensor, factor: number): Tensor {
  const [, channels, height, width] = shape as [number, number, number, number];
  const [tall, wide] = [Math.floor(height * factor), Math.floor(width * factor)];
  const [rows, columns] = [places(height, tall, factor), places(width, wide, factor)];
  const result = new Float32Array(channels * tall * wide);
  let at = 0;
  for (let channel = 0; channel < channels; channel++) {
    const value = (y: number, x: number) => data[(channel * height + y) * width + x]!;
    for (const { first: top, second: bottom, share: down } of rows) {
      for (const { first: left, second: right, share } of columns) {
        const above = value(top, left) * (1 - share) + value(top, right) * share;
        const below = value(bottom, left) * (1 - share) + value(bottom, right) * share;
        result[at++] = above * (1 - down) + below * down;
      }
    }
  }
  return { data: result, shape: [1, channels, tall, wide] };
}

/** Of each position of the result: the two it lies between, and the share of the second. */
function places(from: number, to: number, factor: number) {
  return Array.from({ length: to }, (_, position) => {
    const source = Math.max(0, (position + 0.5) / factor - 0.5);
    const first = Math.min(from - 1, Math.floor(source));
    return { first, second: Math.min(from - 1, first + 1), share: source - first };
  });
}

/** [1, 3, 224, 224]. */
export function cutCrop({ data, shape }: Tensor, { x, y }: Crop): Tensor {
  const [height, width] = shape.slice(2) as [number, number];
  const crop = new Float32Array(3 * CROP ** 2);
  for (let channel = 0; channel < 3; channel++) {
    for (let row = 0; row < CROP; row++) {
      const from = (channel * height + y + row) * width + x;
      crop.set(data.subarray(from, from + CROP), (channel * CROP + row) * CROP);
    }
  }
  return { data: crop, shape: [1, 3, CROP, CROP] };
}
