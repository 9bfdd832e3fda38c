import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { AppError } from '../../shared/error.ts';
import { coverInput, type Span, TILE_FEATHER, type TileSpan } from '../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../shared/output-format.ts';
import { type Band, bandRows } from '../images/bands.ts';
import { toSample } from '../images/bit-depth.ts';
import type { Pixels } from '../images/image.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { blendingWeights, featherWindow, scaleSpan } from './blending.ts';

/** A network that makes pictures larger, loaded and ready. */
export interface SuperResolver {
  /** The factor by which a picture is enlarged. */
  readonly scale: number;
  /** Of pictures: 1 gray, 3 RGB, 4 RGB and alpha. */
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** Pixels around a point of the input that its tile must hold, where the picture has them. */
  readonly context: number;
  /** Tiles begin at multiples of it: the factor of a pixel unshuffle in front of the network, or 1. */
  readonly unit: number;
  /** [1, in, h, w] 0..1, any h and w from 1 → [1, out, scale·h, scale·w], not clamped. Blocks the thread. */
  upscale(tile: Tensor): Promise<Tensor>;
  release(): Promise<void>;
}

export interface UpscaleOptions {
  /** Longest side of a tile, in input pixels; more than twice the model's context. */
  tileSize: number;
  bitDepth: BitDepth;
  /** Also before the first. */
  onTile: (done: number, total: number) => void;
  /** Looked at between tiles; an abort makes the call reject with its reason. */
  signal: AbortSignal;
}

/**
 * The picture as many times larger as the network makes it, tile by tile, same channels: see `channelRuns`. Holds fp32
 * sums of one row of tiles.
 * Throws AppError `output-rejected` when the network gives numbers that are not finite.
 */
export async function* upscale(pixels: Pixels, model: SuperResolver, options: UpscaleOptions): AsyncGenerator<Band> {
  const { tileSize, bitDepth, onTile, signal } = options;
  const rows = planTiles(pixels.height, tileSize, model);
  const columns = planTiles(pixels.width, tileSize, model);
  const size = { width: pixels.width * model.scale, channels: pixels.channels };
  const sums = new Float32Array(rows[0]!.weights.length * size.width * size.channels);
  const photoRow = model.scale * size.width * size.channels;
  const most = bandRows(pixels);
  const runs = channelRuns(pixels.channels, model);
  let done = 0;
  onTile(0, rows.length * columns.length);
  for (const [index, row] of rows.entries()) {
    for (const column of columns) {
      for (const { from, to } of runs) {
        await eventLoopTurn();
        signal.throwIfAborted();
        addTile(sums, await model.upscale(cutTile(pixels, from, row, column)), to, row, column, size);
      }
      onTile(++done, rows.length * columns.length);
    }
    // The rows above the next row of tiles are complete; the rest moves up and gets more.
    const end = rows[index + 1]?.start ?? pixels.height;
    for (let start = row.start; start < end; start += most) {
      const count = Math.min(most, end - start);
      const from = (start - row.start) * photoRow;
      yield { start, count, data: quantize(sums.subarray(from, from + count * photoRow), bitDepth) };
      // Of a wide picture a band takes seconds, many of them longer than an engine may be silent.
      if (start + count < end) onTile(done, rows.length * columns.length);
    }
    const complete = (end - row.start) * photoRow;
    sums.copyWithin(0, complete).fill(0, sums.length - complete);
  }
}

/** A tile along one axis of the input, and its part of the output. */
interface TilePlan extends TileSpan {
  outputStart: number;
  /** Of all output positions that the tile makes, `scale` for each of its own. */
  weights: Float32Array;
}

/** Tiles of equal size along one axis. */
function planTiles(extent: number, tileSize: number, { scale, context, unit }: SuperResolver): TilePlan[] {
  const spans = coverInput(extent, tileSize, context, unit);
  const outputSpans = spans.map((span) => scaleSpan(span, scale));
  const weights = blendingWeights(outputSpans, extent * scale, featherWindow(context * scale, TILE_FEATHER * scale));
  return spans.map((span, index) => ({ ...span, outputStart: span.start * scale, weights: weights[index]! }));
}

/** One call of the network for a tile. */
interface ChannelRun {
  /** The source of each channel of the input: one of the photo, its luminance, or white. */
  from: readonly (number | 'luminance' | 'white')[];
  /** To which channel of the result each of the output goes: the mean of those that go to the same. */
  to: readonly { output: number; channel: number; among: number }[];
}

/**
 * Gray goes through a network of colors as three equal channels and comes back as their mean; each color goes through a
 * network of grays by itself. Where a network takes or gives opacity, it is shown an opaque picture.
 */
function channelRuns(photoChannels: number, { inputChannels, outputChannels }: SuperResolver): ChannelRun[] {
  if (inputChannels === 1 && outputChannels === 1) {
    const channels = Array.from({ length: photoChannels }, (_, channel) => channel);
    return channels.map((channel) => ({ from: [channel], to: [{ output: 0, channel, among: 1 }] }));
  }
  const from = Array.from({ length: inputChannels }, (_, index) => {
    if (inputChannels === 1 && photoChannels > 1) return 'luminance';
    return index < 3 ? index % photoChannels : 'white';
  });
  const colors = Math.min(3, outputChannels);
  if (photoChannels === 1) {
    return [{ from, to: Array.from({ length: colors }, (_, output) => ({ output, channel: 0, among: colors })) }];
  }
  const to = Array.from({ length: photoChannels }, (_, channel) => {
    return { output: Math.min(channel, colors - 1), channel, among: 1 };
  });
  return [{ from, to }];
}

/** Of Rec. 601, as pictures become gray elsewhere. */
const LUMINANCE = [0.299, 0.587, 0.114] as const;

/** A part of the picture for a network, `from` naming the source of each channel: [1, as many, h, w], values 0..1. */
export function cutTile({ width, channels, data }: Pixels, from: ChannelRun['from'], row: Span, column: Span): Tensor {
  const unit = data instanceof Uint16Array ? 1 / 65_535 : 1 / 255;
  const tile = new Float32Array(from.length * row.size * column.size);
  let position = 0;
  for (const wanted of from) {
    for (let y = row.start; y < row.start + row.size; y++) {
      let source = (y * width + column.start) * channels;
      for (let x = 0; x < column.size; x++, source += channels) {
        if (wanted === 'white') tile[position++] = 1;
        else if (wanted === 'luminance') {
          tile[position++] = LUMINANCE.reduce((sum, share, color) => sum + share * data[source + color]!, 0) * unit;
        } else tile[position++] = data[source + wanted]! * unit;
      }
    }
  }
  return { data: tile, shape: [1, from.length, row.size, column.size] };
}

/** Adds a tile [1, outputs, h, w], weighted, to the interleaved sums of its row of tiles. */
function addTile(
  sums: Float32Array,
  { data }: Tensor,
  to: ChannelRun['to'],
  row: TilePlan,
  column: TilePlan,
  { width, channels }: Pick<Pixels, 'width' | 'channels'>,
) {
  const tileHeight = row.weights.length;
  const tileWidth = column.weights.length;
  for (const { output, channel, among } of to) {
    for (let y = 0; y < tileHeight; y++) {
      const rowWeight = row.weights[y]! / among;
      let source = (output * tileHeight + y) * tileWidth;
      let target = (y * width + column.outputStart) * channels + channel;
      for (let x = 0; x < tileWidth; x++, target += channels) {
        sums[target]! += rowWeight * column.weights[x]! * data[source++]!;
      }
    }
  }
}

/** Values 0..1 as samples: clamped, halves rounded up. */
function quantize(values: Float32Array, bitDepth: BitDepth): Pixels['data'] {
  const samples = bitDepth === 16 ? new Uint16Array(values.length) : new Uint8Array(values.length);
  const white = 2 ** bitDepth - 1;
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (!Number.isFinite(value)) throw new AppError('output-rejected', `The network gave ${value}, which is no color.`);
    samples[index] = toSample(value * white, white);
  }
  return samples;
}
