import type { Pixels } from '../images/image.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Added to the diagonal: colors of a latent whose channels are all alike are those of the photo on the whole. */
const DAMPING = 1e-6;

/**
 * A latent [1, c, h, w] with a position for each pixel of the photo, roughly as it will look: the colors of its channels
 * are those with which it is most like the photo, by least squares, so that they need not be known of each autoencoder.
 * `photo`: 8-bit RGB, at most as large as the latent; its upper left part belongs to it. 8-bit RGB of the photo's size.
 */
export function drawFitted({ data, shape }: Tensor, photo: Pixels): Pixels {
  const [, channels, rows, columns] = shape as [number, number, number, number];
  const { width, height } = photo;
  const terms = channels + 1;
  /** The channels of a pixel, and 1. */
  const values = new Float64Array(terms).fill(1);
  const look = (pixel: number) => {
    const place = Math.floor(pixel / width) * columns + (pixel % width);
    for (let channel = 0; channel < channels; channel++) values[channel] = data[channel * rows * columns + place]!;
  };
  // Normal equations, one row a term: its products with all terms, then with red, green and blue.
  const equations = Array.from({ length: terms }, () => new Float64Array(terms + 3));
  for (let pixel = 0; pixel < width * height; pixel++) {
    look(pixel);
    for (const [term, equation] of equations.entries()) {
      for (let other = 0; other < terms; other++) equation[other]! += values[term]! * values[other]!;
      for (let color = 0; color < 3; color++)
        equation[terms + color]! += values[term]! * photo.data[3 * pixel + color]!;
    }
  }
  for (const [term, equation] of equations.entries()) equation[term]! += DAMPING * width * height;
  const factors = solve(equations);
  const drawn = new Uint8ClampedArray(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    look(pixel);
    for (let color = 0; color < 3; color++) {
      drawn[3 * pixel + color] = factors.reduce((sum, row, term) => sum + row[color]! * values[term]!, 0);
    }
  }
  return { width, height, channels: 3, data: new Uint8Array(drawn.buffer) };
}

/** Gauss and Jordan's elimination of a symmetric, positive matrix, its right sides behind it; one row a term. */
function solve(equations: Float64Array[]): Float64Array[] {
  for (const [pivot, equation] of equations.entries()) {
    const scale = equation[pivot]!;
    for (let index = 0; index < equation.length; index++) equation[index]! /= scale;
    for (const [row, other] of equations.entries()) {
      if (row === pivot) continue;
      const share = other[pivot]!;
      for (let index = 0; index < other.length; index++) other[index]! -= share * equation[index]!;
    }
  }
  return equations.map((equation) => equation.slice(equations.length));
}
