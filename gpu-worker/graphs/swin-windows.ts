import { AppError } from '../../shared/error.ts';

/** How one stage of a Swin transformer divides its square of tokens, which are numbered row by row. */
export interface WindowPlan {
  /** Windows of the square, and tokens of a window. */
  count: number;
  size: number;
  /** The tokens, window after window, row by row. */
  order: number[];
  /** Where each token is in that order. */
  inverse: number[];
  /** In that order: tokens of a window that are neighbors in the picture too have the same number. */
  regions: number[];
}

/**
 * `resolution` tokens a side, in windows of `side`, moved down and right by `shift` in a picture that wraps around (Liu
 * et al. 2021, figures 2 and 4). Throws AppError `engine-failed` where the windows leave a rest: Swin does not pad.
 */
export function planWindows(resolution: number, side: number, shift: number): WindowPlan {
  if (resolution % side !== 0) {
    throw new AppError('engine-failed', `${resolution} tokens a side do not divide into windows of ${side}.`);
  }
  const perSide = resolution / side;
  const order: number[] = [];
  const regions: number[] = [];
  const regionOf = (at: number) => (at < resolution - side ? 0 : at < resolution - shift ? 1 : 2);
  for (let window = 0; window < perSide ** 2; window++) {
    for (let place = 0; place < side ** 2; place++) {
      const y = Math.floor(window / perSide) * side + Math.floor(place / side);
      const x = (window % perSide) * side + (place % side);
      order.push(((y + shift) % resolution) * resolution + ((x + shift) % resolution));
      regions.push(3 * regionOf(y) + regionOf(x));
    }
  }
  const inverse = Array<number>(order.length);
  for (const [place, token] of order.entries()) inverse[token] = place;
  return { count: perSide ** 2, size: side ** 2, order, inverse, regions };
}

/** Rows of the table of relative position biases, [tokens · tokens] of a window, queries first. */
export function relativePositions(side: number): number[] {
  const rows: number[] = [];
  for (let query = 0; query < side ** 2; query++) {
    for (let key = 0; key < side ** 2; key++) {
      const down = Math.floor(query / side) - Math.floor(key / side) + side - 1;
      const right = (query % side) - (key % side) + side - 1;
      rows.push(down * (2 * side - 1) + right);
    }
  }
  return rows;
}

/** The tokens of a square, two by two, each block column by column. Throws AppError `engine-failed` for an odd side. */
export function mergeOrder(resolution: number): number[] {
  if (resolution % 2 !== 0) throw new AppError('engine-failed', `${resolution} tokens a side do not merge two by two.`);
  const order: number[] = [];
  for (let row = 0; row < resolution; row += 2) {
    for (let column = 0; column < resolution; column += 2) {
      const first = row * resolution + column;
      order.push(first, first + resolution, first + 1, first + resolution + 1);
    }
  }
  return order;
}
