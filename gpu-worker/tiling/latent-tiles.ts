import { AppError } from '../../shared/error.ts';
import { coverExtent, coverLatent, type Span, type TileSpan } from '../../shared/methods/tile-plan.ts';
import { elementCount, type Tensor } from '../tensor/tensor.ts';
import { blendingWeights, scaleSpan, type Window } from './blending.ts';

export interface LatentTilesOptions {
  /** Of the latents. */
  height: number;
  width: number;
  /** Longest side of a tile, in latents. */
  size: number;
  /** Latents by which neighbors overlap, at least. */
  overlap: number;
  /** Sides of tiles are multiples of it, where there is more than one. Default: that of Stable Diffusion. */
  unit?: number;
}

/** A tile along one axis and its share at each of its positions. */
interface WeightedSpan extends TileSpan {
  weights: Float32Array;
}

export interface LatentTile {
  row: TileSpan;
  column: TileSpan;
  /** Its share at a position of the tile: those of all tiles add up to 1. */
  weight(y: number, x: number): number;
}

/** Of the Gaussian, in squares of a tile's side (Barbero Jiménez 2023, "Mixture of Diffusers"). */
const VARIANCE = 0.01;

/**
 * Tiles over a latent too large for one call, row by row: no side is longer than `size`, and none longer than the same
 * number of tiles needs. Only the prediction is tiled: start, guidance and steps are those of the whole.
 * Throws AppError `invalid` where the overlap leaves nothing of a tile.
 */
export function planLatentTiles({ height, width, size, overlap, unit }: LatentTilesOptions): LatentTile[] {
  if (Math.max(height, width) > size) checkOverlap(size, overlap);
  const cover = (extent: number) => weigh(coverLatent(extent, size, overlap, unit), extent, gaussianWindow(centered));
  return crossSpans(cover(height), cover(width));
}

/**
 * As in the published script: one tile while the area is not larger than that of a tile, else squares, and weights that
 * are half a latent off center vertically. Throws as `planLatentTiles` does.
 */
export function planPublishedTiles({ height, width, size, overlap }: LatentTilesOptions): LatentTile[] {
  const isWhole = height * width <= size * size;
  const side = Math.min(size, height, width);
  if (!isWhole && Math.max(height, width) > side) checkOverlap(side, overlap);
  const cover = (extent: number) => coverExtent(extent, isWhole ? extent : side, overlap);
  return crossSpans(
    weigh(cover(height), height, gaussianWindow(halfOff)),
    weigh(cover(width), width, gaussianWindow(centered)),
  );
}

interface EqualTilesOptions extends Omit<LatentTilesOptions, 'overlap'> {
  /** From one tile to the next. */
  stride: number;
}

/** Tiles of `size`, one where that is not less than the side, which count alike where they overlap. Throws as above. */
export function planEqualTiles({ height, width, size, stride }: EqualTilesOptions): LatentTile[] {
  const cover = (extent: number) => weigh(coverExtent(extent, size, size - stride), extent, () => 1);
  return crossSpans(cover(height), cover(width));
}

/** One tile for all of it. */
export function wholeTile(size: { height: number; width: number }): LatentTile[] {
  const side = Math.max(size.height, size.width);
  return planEqualTiles({ ...size, size: side, stride: side });
}

function checkOverlap(size: number, overlap: number): void {
  if (size > overlap) return;
  throw new AppError('invalid', `Latent tiles of ${size} cannot overlap by ${overlap}; the overlap must be smaller.`);
}

function weigh(spans: readonly TileSpan[], extent: number, window: Window): WeightedSpan[] {
  const weights = blendingWeights(spans, extent, window);
  return spans.map((span, index) => ({ ...span, weights: weights[index]! }));
}

function crossSpans(rows: readonly WeightedSpan[], columns: readonly WeightedSpan[]): LatentTile[] {
  return rows.flatMap((row) =>
    columns.map((column) => ({ row, column, weight: (y, x) => row.weights[y]! * column.weights[x]! })),
  );
}

/**
 * The prediction for the whole latent from those for its tiles: Σ weight · prediction in fp32, the weights, normalized
 * in double precision, adding up to 1. `predict`: tile → [batch, channel, h, w] of the tile; called one after the other.
 */
export async function blendTiles(
  tiles: readonly LatentTile[],
  predict: (tile: LatentTile, index: number) => Promise<Tensor>,
): Promise<Tensor> {
  if (tiles.length === 1) return await predict(tiles[0]!, 0);
  const { row, column } = tiles.at(-1)!;
  let sum: Tensor | undefined;
  for (const [index, tile] of tiles.entries()) {
    const prediction = await predict(tile, index);
    const shape = [...prediction.shape.slice(0, 2), row.start + row.size, column.start + column.size];
    sum ??= { data: new Float32Array(elementCount(shape)), shape };
    addTile(sum, prediction, tile);
  }
  return sum!;
}

/** The part of [batch, channel, h, w] that lies in the tile; of a picture `scale` times as large as the latent, too. */
export function cutTile({ data, shape }: Tensor, tile: { row: Span; column: Span }, scale = 1): Tensor {
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const [row, column] = [scaleSpan(tile.row, scale), scaleSpan(tile.column, scale)];
  const part = new Float32Array(batch * channels * row.size * column.size);
  for (let line = 0; line < batch * channels * row.size; line++) {
    const y = Math.floor(line / row.size) * height + row.start + (line % row.size);
    const start = y * width + column.start;
    part.set(data.subarray(start, start + column.size), line * column.size);
  }
  return { data: part, shape: [batch, channels, row.size, column.size] };
}

/** The normal distribution around the tile's midpoint. The product of two is the weight of the published script. */
export function gaussianWindow(midpoint: (size: number) => number): Window {
  return (offset, { size }) =>
    Math.exp(-(((offset - midpoint(size)) / size) ** 2) / (2 * VARIANCE)) / Math.sqrt(2 * Math.PI * VARIANCE);
}

export const centered = (size: number) => (size - 1) / 2;
/** Vertically the published script takes the midpoint half a latent too far down. */
export const halfOff = (size: number) => size / 2;

function addTile(sum: Tensor, { data, shape }: Tensor, { row, column, weight }: LatentTile): void {
  const [height, width] = sum.shape.slice(2) as [number, number];
  const planes = elementCount(shape.slice(0, 2));
  let source = 0;
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < row.size; y++) {
      const target = (plane * height + row.start + y) * width + column.start;
      for (let x = 0; x < column.size; x++) sum.data[target + x]! += weight(y, x) * data[source++]!;
    }
  }
}
