import type { Tensor } from '../tensor/tensor.ts';
import { copyWindow, cutWindow } from '../tensor/window.ts';
import { combineSeen, countTiles, type RunOptions, runStage } from './run-stage.ts';
import type { Stage } from './stage.ts';
import type { Step } from './steps.ts';
import type { VaeTiling } from './tiled-vae.ts';

/** Longest side of a tile without its margins, and these (github.com/cswry/SeeSR, its tiled VAE). */
const TILE = { pixels: 1024, latents: 224 };
const MARGIN = { pixels: 32, latents: 11 };

/** Positions from `start` up to and without `end`. */
interface Interval {
  start: number;
  end: number;
}

/** One tile along one axis, as the published tiled VAE has it. */
export interface VaeSpan {
  /** The input of the network, with its margins. */
  input: Interval;
  /** The part of its result that is kept, at the scale of the result. */
  output: Interval;
  /** Where `output` begins in the result of the network on the tile. */
  skip: number;
}

export interface VaeTilesOptions {
  /** Longest side of a tile without margins: 1024 pixels, 224 latents. */
  tileSize: number;
  /** 32 pixels, 11 latents. */
  margin: number;
  /** Sides of the result over those of the input: 8 for the decoder, 1/8 for the encoder. */
  scale: number;
}

/**
 * `tileSize`: other than that of the published script. `normsTwice`: as in the first version of this tiled VAE, the norm
 * before the attention is applied with the statistics of all tiles, and again with those of each.
 */
export function publishedVaeTiles(tileSize?: number, { normsTwice = false } = {}): VaeTiling {
  const layout = (unit: keyof typeof TILE) => ({ tileSize: tileSize ?? TILE[unit], margin: MARGIN[unit] });
  return {
    fits: (height, width, unit) => fitsVaeTile(height, width, layout(unit)),
    run: (stages, input, unit, options) => runPublishedTiles(stages, input, layout(unit), options),
    ...(normsTwice && { steps: normTwice }),
  };
}

function normTwice(steps: readonly Step[]): Step[] {
  return steps.flatMap((step, index) => {
    const before = steps[index - 1];
    const again = step.kind === 'attention' && before?.kind === 'norm';
    return again ? [{ ...before, kind: 'tile-norm' as const }, step] : [step];
  });
}

/** Whether the published script leaves a picture or latent in one piece. */
export function fitsVaeTile(
  height: number,
  width: number,
  { tileSize, margin }: Omit<VaeTilesOptions, 'scale'>,
): boolean {
  return Math.max(height, width) <= tileSize + 2 * margin;
}

/**
 * Tiles along one axis of `length`, in its order: cores of equal size, the last one shorter, margins around each but at
 * the border; the first and the last core reach the border. No core is longer than `tileSize`, hence none is empty, and
 * their outputs follow each other without a gap (`VAEHook.split_tiles` of multidiffusion-upscaler, as SeeSR has it).
 */
export function vaeSpans(length: number, { tileSize, margin, scale }: VaeTilesOptions): VaeSpan[] {
  const count = Math.max(1, Math.ceil((length - 2 * margin) / tileSize));
  const size = roundSize(Math.ceil((length - 2 * margin) / count), tileSize);
  return Array.from({ length: count }, (_, index) => {
    const core = { start: margin + index * size, end: Math.min(margin + (index + 1) * size, length) };
    const input = { start: Math.max(0, core.start - margin), end: Math.min(length, core.end + margin) };
    const start = core.start <= margin ? 0 : core.start;
    const end = core.end >= length - margin ? length : core.end;
    const output = { start: Math.floor(start * scale), end: Math.floor(end * scale) };
    return { input, output, skip: output.start - Math.floor(input.start * scale) };
  });
}

/** To a multiple of 32, 16, 8, 4 or 2, the first that is not above the largest size. */
function roundSize(size: number, largest: number): number {
  for (const unit of [32, 16, 8, 4, 2]) {
    const rounded = Math.ceil(size / unit) * unit;
    if (rounded <= largest) return rounded;
  }
  return size;
}

/**
 * As the published script does it: every tile goes through the network as if it were a picture, attention included, but
 * all wait for each other at every norm, which takes the mean of their statistics: margins count as often as they are
 * covered, and the variance lacks that between the tiles. Holds the tiles of one stage. `input` [1, c, h, w].
 */
async function runPublishedTiles(
  stages: readonly Stage[],
  input: Tensor,
  { tileSize, margin }: { tileSize: number; margin: number },
  { onTile, signal }: RunOptions,
): Promise<Tensor> {
  const [, , height, width] = input.shape as [number, number, number, number];
  const scale = stages.reduce((product, stage) => product * stage.scale, 1);
  const layout = { tileSize, margin, scale };
  const columns = vaeSpans(width, layout);
  const spans = vaeSpans(height, layout).flatMap((row) => columns.map((column) => ({ row, column })));
  const values = spans.map(({ row, column }) => {
    const [top, left] = [row.input.start, column.input.start];
    return cutWindow(input, { top, left, height: row.input.end - top, width: column.input.end - left });
  });
  const total = countTiles(stages, spans.length);
  let done = 0;
  onTile?.(0, total);
  for (const stage of stages) {
    const tiles = values.map((value, index) => ({
      input: () => value,
      core: [0, 0, value.shape[2]!, value.shape[3]!] as const,
      finish: (output: Tensor) => {
        values[index] = output;
      },
    }));
    await runStage(stage, tiles, {
      combine: (parts) => combineSeen(parts, { between: false }),
      onTile: () => onTile?.(++done, total),
      signal,
    });
  }
  const shape = [1, values[0]!.shape[1]!, Math.floor(height * scale), Math.floor(width * scale)];
  const result = { data: new Float32Array(shape.reduce((product, size) => product * size)), shape };
  for (const [index, { row, column }] of spans.entries()) {
    const size = { height: row.output.end - row.output.start, width: column.output.end - column.output.start };
    const at = { top: row.output.start, left: column.output.start };
    copyWindow(values[index]!, { top: row.skip, left: column.skip, ...size }, result, at);
  }
  return result;
}
