import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { AppError } from '../../shared/error.ts';
import { coverInput, TILE_FEATHER, type TileSpan } from '../../shared/tile-plan.ts';
import type { Pixels } from '../images/image.ts';
import type { SuperResolver } from '../models/real-esrgan.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { drawRows } from './live-preview.ts';
import type { Method } from './method.ts';
import { blendingWeights, featherWindow, scaleSpan } from './tiles.ts';

export interface UpscaleOptions {
  /** Longest side of a tile, in input pixels; more than twice the model's context. */
  tileSize: number;
  /** Also before the first. */
  onTile: (done: number, total: number) => void;
  /** The upper `rows` of the result are complete, and there will be more. */
  onRows?: (result: Pixels, rows: number) => void;
  /** Looked at between tiles; an abort makes the call reject with its reason. */
  signal: AbortSignal;
}

/** The method of super-resolution networks: each tile goes through the network once. */
export function superResolution(model: SuperResolver): Method {
  return async (pixels, { tileSize, signal, onProgress, show }) => {
    const onTile = (tile: number, tiles: number) => onProgress({ stage: 'upscale', tile, tiles }, tile / tiles);
    const onRows = (result: Pixels, rows: number) => show?.(() => drawRows(pixels, result, rows));
    return { pixels: await upscaleImage(pixels, model, { tileSize, signal, onTile, onRows }) };
  };
}

/**
 * The whole picture, four times larger, tile by tile: 8 bits, same channels. Grey goes through the network as three
 * equal channels and comes back as their mean. Holds fp32 sums of one row of tiles only, beside the result.
 * Throws AppError `output-rejected` when the network gives numbers that are not finite.
 */
export async function upscaleImage(pixels: Pixels, model: SuperResolver, options: UpscaleOptions): Promise<Pixels> {
  const { tileSize, onTile, onRows, signal } = options;
  const rows = planTiles(pixels.height, tileSize, model);
  const columns = planTiles(pixels.width, tileSize, model);
  const size = { width: pixels.width * model.scale, height: pixels.height * model.scale, channels: pixels.channels };
  const rowLength = size.width * size.channels;
  const output = new Uint8Array(size.height * rowLength);
  const result = { ...size, data: output };
  const band = new Float32Array(rows[0]!.weights.length * rowLength);
  let done = 0;
  onTile(0, rows.length * columns.length);
  for (const [index, row] of rows.entries()) {
    for (const column of columns) {
      await eventLoopTurn();
      signal.throwIfAborted();
      addTile(band, await model.upscale(cut(pixels, row, column)), row, column, size);
      onTile(++done, rows.length * columns.length);
    }
    // What lies above the next row of tiles is complete; the rest moves up and gets more.
    const end = rows[index + 1]?.outputStart ?? size.height;
    const complete = (end - row.outputStart) * rowLength;
    quantize(band.subarray(0, complete), output, row.outputStart * rowLength);
    band.copyWithin(0, complete).fill(0, band.length - complete);
    if (end < size.height) onRows?.(result, end);
  }
  return result;
}

/** A tile along one axis of the input, and what becomes of it in the output. */
interface TilePlan extends TileSpan {
  outputStart: number;
  /** Of all output positions that the tile makes, `scale` for each of its own. */
  weights: Float32Array;
}

/** Tiles of equal size along one axis. */
function planTiles(extent: number, tileSize: number, { scale, context }: SuperResolver): TilePlan[] {
  const spans = coverInput(extent, tileSize, context);
  const outputSpans = spans.map((span) => scaleSpan(span, scale));
  const weights = blendingWeights(outputSpans, extent * scale, featherWindow(context * scale, TILE_FEATHER * scale));
  return spans.map((span, index) => ({ ...span, outputStart: span.start * scale, weights: weights[index]! }));
}

/** [1, 3, h, w], values 0..1. */
function cut({ width, channels, data }: Pixels, row: TileSpan, column: TileSpan): Tensor {
  const unit = data instanceof Uint16Array ? 1 / 65_535 : 1 / 255;
  const tile = new Float32Array(3 * row.size * column.size);
  let position = 0;
  for (let channel = 0; channel < 3; channel++) {
    for (let y = row.start; y < row.start + row.size; y++) {
      let source = (y * width + column.start) * channels + (channel % channels);
      for (let x = 0; x < column.size; x++, source += channels) tile[position++] = data[source]! * unit;
    }
  }
  return { data: tile, shape: [1, 3, row.size, column.size] };
}

/** Adds a tile [1, 3, h, w], weighted, to the interleaved sums of its band, which begins where the tile does. */
function addTile(band: Float32Array, { data }: Tensor, row: TilePlan, column: TilePlan, result: Omit<Pixels, 'data'>) {
  const { width, channels } = result;
  const tileHeight = row.weights.length;
  const tileWidth = column.weights.length;
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < tileHeight; y++) {
      const rowWeight = (row.weights[y]! * channels) / 3;
      let source = (channel * tileHeight + y) * tileWidth;
      let target = (y * width + column.outputStart) * channels + (channel % channels);
      for (let x = 0; x < tileWidth; x++, target += channels) {
        band[target]! += rowWeight * column.weights[x]! * data[source++]!;
      }
    }
  }
}

/** Writes values 0..1 as 0..255 from `start` on: clamped, halves rounded up. */
function quantize(values: Float32Array, output: Uint8Array, start: number): void {
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (!Number.isFinite(value)) throw new AppError('output-rejected', `The network gave ${value}, which is no color.`);
    output[start + index] = Math.min(255, Math.max(0, value * 255 + 0.5));
  }
}
