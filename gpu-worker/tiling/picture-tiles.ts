import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { AppError } from '../../shared/error.ts';
import {
  countStagedTiles,
  coverParts,
  type Span,
  TILE_FEATHER,
  type TileSpan,
} from '../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../shared/output-format.ts';
import { type Band, bandRows } from '../images/bands.ts';
import { toSample } from '../images/bit-depth.ts';
import type { Pixels } from '../images/image.ts';
import { LIVE_PREVIEW_SIDE } from '../images/live-preview.ts';
import { mirrorToMultiple } from '../tensor/mirror.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Window } from '../tensor/window.ts';
import { blendingWeights, featherWindow, scaleSpan } from './blending.ts';
import { farthest, type LoadedStage, runStages } from './run-stages.ts';

/** A network that makes pictures larger, loaded and ready. */
export interface SuperResolver {
  /** The factor by which a picture is enlarged. */
  readonly scale: number;
  /** Of pictures: 1 gray, 3 RGB, 4 RGB and alpha. */
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** Pixels around a point of the input that its part must hold, where the picture is too large for one. */
  readonly context: number;
  /** Tiles begin at multiples of it: the factor of a pixel unshuffle in front of the network, or 1. */
  readonly unit: number;
  /** From [1, in, h, w] 0..1, sides multiples of `unit`, to [1, out, scale·h, scale·w], not clamped. */
  readonly stages: readonly LoadedStage[];
  release(): Promise<void>;
}

export interface UpscaleOptions {
  /** Longest side of a tile, in input pixels; more than twice what a stage sees. */
  tileSize: number;
  bitDepth: BitDepth;
  /** Inputs of stages that are the same for every tile. */
  shared?: Record<string, Tensor>;
  /** Also before the first. Counts the tiles of all stages. */
  onTile: (done: number, total: number) => void;
  /** Looked at between tiles; an abort makes the call reject with its reason. */
  signal: AbortSignal;
  /** Where live previews are wanted. */
  show?: ((draw: () => Promise<Pixels>) => void) | undefined;
}

/**
 * The picture as many times larger as the network makes it, same channels: see `channelRuns`. Of the whole picture, stage
 * by stage in exact tiles; where its values do not fit, part by part. Holds fp32 sums of one row of parts.
 * Throws AppError `output-rejected` when the network gives numbers that are not finite.
 */
export async function* upscale(pixels: Pixels, model: SuperResolver, options: UpscaleOptions): AsyncGenerator<Band> {
  const { tileSize, bitDepth, shared = {}, signal, show } = options;
  const parts = coverParts(pixels, { ...model, tileSize });
  const rows = weigh(parts.rows, pixels.height, model);
  const columns = weigh(parts.columns, pixels.width, model);
  const isOne = rows.length * columns.length === 1;
  const size = { width: pixels.width * model.scale, channels: pixels.channels };
  const photoRow = model.scale * size.width * size.channels;
  const most = bandRows(pixels);
  const runs = channelRuns(pixels.channels, model);
  const progress = countTiles(pixels, model, options, runs.length);
  const takeTurn = async () => {
    await eventLoopTurn();
    signal.throwIfAborted();
  };
  let sums: Float32Array | undefined;
  for (const [index, row] of rows.entries()) {
    for (const column of columns) {
      for (const { from, to } of runs) {
        const picture = mirrorToMultiple(cutTile(pixels, from, row, column), model.unit);
        await runStages(model.stages, picture, {
          tileSize,
          unit: model.unit,
          shared,
          takeTurn,
          onTile: progress.add,
          onRefined:
            isOne && runs.length === 1 ? (glance) => show?.(() => draw(glance, to, pixels, model.scale)) : undefined,
          give(output, window, at) {
            sums ??= new Float32Array(rows[0]!.weights.length * size.width * size.channels);
            addTile(sums, { output, window, at }, to, row, column, size);
          },
        });
      }
    }
    // The rows above the next row of parts are complete; the rest moves up and gets more.
    const end = rows[index + 1]?.start ?? pixels.height;
    for (let start = row.start; start < end; start += most) {
      const count = Math.min(most, end - start);
      const from = (start - row.start) * photoRow;
      yield { start, count, data: quantize(sums!.subarray(from, from + count * photoRow), bitDepth) };
      // Of a wide picture a band takes seconds, many of them longer than an engine may be silent.
      if (start + count < end) progress.tell();
    }
    const complete = (end - row.start) * photoRow;
    sums!.copyWithin(0, complete).fill(0, sums!.length - complete);
  }
}

/** A part along one axis of the input, and its share of the output. */
interface PartPlan extends TileSpan {
  outputStart: number;
  /** Of all output positions that the part makes, `scale` for each of its own. */
  weights: Float32Array;
}

/** Tells how many tiles are done, each of which the network may have to run over several times. */
function countTiles(pixels: Pixels, model: SuperResolver, { tileSize, onTile }: UpscaleOptions, runs: number) {
  const { stages } = model;
  const total = countStagedTiles(pixels, { count: stages.length, context: farthest(stages) }, { ...model, tileSize });
  let calls = 0;
  const tell = () => onTile(Math.floor(calls / runs), total);
  tell();
  return {
    tell,
    add(): void {
      if (++calls % runs === 0) tell();
    },
  };
}

/** Parts of equal size along one axis. */
function weigh(spans: readonly TileSpan[], extent: number, { scale, context }: SuperResolver): PartPlan[] {
  const outputSpans = spans.map((span) => scaleSpan(span, scale));
  const weights = blendingWeights(outputSpans, extent * scale, featherWindow(context * scale, TILE_FEATHER * scale));
  return spans.map((span, index) => ({ ...span, outputStart: span.start * scale, weights: weights[index]! }));
}

/** No larger than a live preview may be, and than the photo: it shall cost little. */
async function draw(
  glance: (step: number) => Promise<Tensor>,
  to: ChannelRun['to'],
  { width, height, channels }: Pixels,
  scale: number,
): Promise<Pixels> {
  const step = Math.max(scale, Math.ceil((scale * Math.max(width, height)) / LIVE_PREVIEW_SIDE));
  const { data, shape } = await glance(step);
  const [, , rows, columns] = shape as [number, number, number, number];
  const sums = new Float32Array(rows * columns * channels);
  for (const { output, channel, among } of to) {
    for (let index = 0; index < rows * columns; index++) {
      sums[index * channels + channel]! += data[output * rows * columns + index]! / among;
    }
  }
  return { width: columns, height: rows, channels, data: quantize(sums, 8) };
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

/** A window of a result, and its place in that of the part. */
interface Given {
  output: Tensor;
  window: Window;
  at: { top: number; left: number };
}

/** Adds what a tile gives of a part, weighted, to the interleaved sums of its row of parts. */
function addTile(
  sums: Float32Array,
  { output: { data, shape }, window, at }: Given,
  to: ChannelRun['to'],
  row: PartPlan,
  column: PartPlan,
  { width, channels }: Pick<Pixels, 'width' | 'channels'>,
) {
  const [, , tileHeight, tileWidth] = shape as [number, number, number, number];
  // What was mirrored beyond the border of the photo is left out.
  const bottom = Math.min(window.height, row.weights.length - at.top);
  const right = Math.min(window.width, column.weights.length - at.left);
  for (const { output, channel, among } of to) {
    for (let y = 0; y < bottom; y++) {
      const rowWeight = row.weights[at.top + y]! / among;
      let source = (output * tileHeight + window.top + y) * tileWidth + window.left;
      let target = ((at.top + y) * width + column.outputStart + at.left) * channels + channel;
      for (let x = 0; x < right; x++, target += channels) {
        sums[target]! += rowWeight * column.weights[at.left + x]! * data[source++]!;
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
