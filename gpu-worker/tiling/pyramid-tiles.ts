import { coverExtent } from '../../shared/methods/tile-plan.ts';
import type { LatentTile } from './latent-tiles.ts';

interface PyramidOptions {
  height: number;
  width: number;
  /** Side of a tile. */
  size: number;
  /** From the beginning of a tile to that of the next. */
  stride: number;
}

/** Least and greatest weight, before tiles are weighed against each other. */
const [LEAST, MOST] = [0.01, 0.5];

/**
 * Tiles whose weight rises with the distance from their nearest border (`get_fold_unfold` and `delta_border` of
 * github.com/CompVis/latent-diffusion, ldm/models/diffusion/ddpm.py). The last of a row is flush with the border; a side that
 * is shorter than a tile has one of its own length.
 */
export function planPyramidTiles({ height, width, size, stride }: PyramidOptions): LatentTile[] {
  const rows = coverExtent(height, size, size - stride);
  const columns = coverExtent(width, size, size - stride);
  const sums = new Float64Array(height * width);
  return rows.flatMap((row) =>
    columns.map((column) => {
      const place = (y: number, x: number) => (row.start + y) * width + column.start + x;
      const raw = (y: number, x: number) => pyramidWeight(y, x, row.size, column.size);
      for (let y = 0; y < row.size; y++) {
        for (let x = 0; x < column.size; x++) sums[place(y, x)]! += raw(y, x);
      }
      return { row, column, weight: (y: number, x: number) => raw(y, x) / sums[place(y, x)]! };
    }),
  );
}

/** Of a position in a tile, by its distance from the nearest border in shares of the side. */
export function pyramidWeight(y: number, x: number, height: number, width: number): number {
  const near = (position: number, size: number) => Math.min(position, size - 1 - position) / Math.max(1, size - 1);
  return Math.min(MOST, Math.max(LEAST, Math.min(near(y, height), near(x, width))));
}
