import { AppError } from '../../shared/error.ts';

/** Tokens of a map, numbered row by row. */
interface TokenMap {
  height: number;
  width: number;
}

/** How a Swin transformer divides its map into windows. */
export interface WindowPlan {
  /** Windows of the map, and tokens of a window. */
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
 * A map in windows of `side`, moved down and right by `shift` in a picture that wraps around (Liu et al. 2021, figures 2
 * and 4), also where one window is all of the map: then its halves are far from each other. Throws AppError
 * `engine-failed` where the windows leave a rest: Swin does not pad.
 */
export function planWindows({ height, width }: TokenMap, side: number, shift: number): WindowPlan {
  for (const extent of [height, width]) {
    if (extent % side !== 0)
      throw new AppError('engine-failed', `${extent} tokens a side do not divide into windows of ${side}.`);
  }
  const size = side ** 2;
  const perRow = width / side;
  const count = perRow * (height / side);
  const order: number[] = [];
  const regions: number[] = [];
  const regionOf = (at: number, extent: number) => (at < extent - side ? 0 : at < extent - shift ? 1 : 2);
  for (let window = 0; window < count; window++) {
    for (let place = 0; place < size; place++) {
      const y = Math.floor(window / perRow) * side + Math.floor(place / side);
      const x = (window % perRow) * side + (place % side);
      order.push(((y + shift) % height) * width + ((x + shift) % width));
      regions.push(3 * regionOf(y, height) + regionOf(x, width));
    }
  }
  const inverse = Array<number>(order.length);
  for (const [place, token] of order.entries()) inverse[token] = place;
  return { count, size, order, inverse, regions };
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
