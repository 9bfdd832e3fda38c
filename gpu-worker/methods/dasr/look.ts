import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import type { Span } from '../../../shared/methods/tile-plan.ts';
import type { Pixels } from '../../images/image.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { cutTile } from '../../tiling/picture-tiles.ts';
import type { DasrModels } from './models.ts';
import { MAP_CONTEXT, MAP_STRIDE } from './predictor-graphs.ts';

interface LookOptions {
  /** Longest side of a tile without the pixels around it. */
  tileSize: number;
  onTile: (done: number, total: number) => void;
  /** Looked at between tiles; an abort makes the call reject with its reason. */
  signal: AbortSignal;
}

/** What the predictor says of a photo. */
export interface Look {
  /** [1, values] */
  degradation: Tensor;
  /** [1, experts] */
  mixture: Tensor;
}

/**
 * Looks at the whole photo, tile by tile. The tiles are exact: each has all pixels that its own positions see, and the mean is
 * that of the positions of all.
 */
export async function look(
  photo: Pixels,
  { degradation: network, mixture: mapping }: Pick<DasrModels, 'degradation' | 'mixture'>,
  { tileSize, onTile, signal }: LookOptions,
): Promise<Look> {
  const [rows, columns] = [photo.height, photo.width].map((extent) => tilesOf(extent, tileSize)) as [
    LookTile[],
    LookTile[],
  ];
  const colors = [0, 1, 2].map((color) => color % photo.channels);
  let sums: number[] = [];
  let done = 0;
  for (const row of rows) {
    for (const column of columns) {
      await eventLoopTurn();
      signal.throwIfAborted();
      const { degradation } = await network.run({ input: cutTile(photo, colors, row.cut, column.cut) });
      const tileSums = sumsOf(degradation!, row.own, column.own);
      sums = tileSums.map((sum, value) => sum + (sums[value] ?? 0));
      onTile(++done, rows.length * columns.length);
    }
  }
  const positions = Math.ceil(photo.height / MAP_STRIDE) * Math.ceil(photo.width / MAP_STRIDE);
  const degradation = { data: Float32Array.from(sums, (sum) => sum / positions), shape: [1, sums.length] };
  const { mixture } = await mapping.run({ degradation });
  return { degradation, mixture: mixture! };
}

/** A tile along one axis. */
interface LookTile {
  /** Its pixels of the photo. */
  cut: Span;
  /** Its own positions, within its map. */
  own: Span;
}

/** Tiles whose own parts cover the extent without an overlap. A cut begins where a position does. */
function tilesOf(extent: number, tileSize: number): LookTile[] {
  const side = Math.max(MAP_STRIDE, tileSize - (tileSize % MAP_STRIDE));
  return Array.from({ length: Math.ceil(extent / side) }, (_, index) => {
    const [start, end] = [index * side, Math.min((index + 1) * side, extent)];
    const [cutStart, cutEnd] = [Math.max(0, start - MAP_CONTEXT), Math.min(extent, end + MAP_CONTEXT)];
    return {
      cut: { start: cutStart, size: cutEnd - cutStart },
      own: { start: (start - cutStart) / MAP_STRIDE, size: Math.ceil((end - start) / MAP_STRIDE) },
    };
  });
}

/** Of each channel of [1, channels, h, w], over the window. */
function sumsOf({ data, shape }: Tensor, rows: Span, columns: Span): number[] {
  const [, channels, height, width] = shape as [number, number, number, number];
  return Array.from({ length: channels }, (_, channel) => {
    let sum = 0;
    for (let y = rows.start; y < rows.start + rows.size; y++) {
      const start = (channel * height + y) * width + columns.start;
      for (let index = start; index < start + columns.size; index++) sum += data[index]!;
    }
    return sum;
  });
}
