import type { Span } from '../../shared/methods/tile-plan.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { copyWindow, cutWindow, type Window } from '../tensor/window.ts';
import { combineSeen, countTiles, type RunOptions, runStage, type StageTile } from './run-stage.ts';
import type { Stage } from './stage.ts';

/** Of a stage's input, without overlaps, the first row and the first column the largest. */
export interface Tiles {
  rows: readonly Span[];
  columns: readonly Span[];
}

/**
 * The stages one after the other, each tile by tile, with the result of the whole picture: the tiles have as much margin
 * as their stage looks around, the norms are told the statistics of the picture, attention sees all of it.
 * Holds the input and the result of one stage. `input` [1, c, h, w].
 */
export async function runExactTiles(
  stages: readonly Stage[],
  input: Tensor,
  { rows, columns }: Tiles,
  { onTile, signal }: RunOptions,
): Promise<Tensor> {
  const total = countTiles(stages, rows.length * columns.length);
  let done = 0;
  onTile?.(0, total);
  let value = input;
  let scale = 1;
  for (const stage of stages) {
    const cores = rows.flatMap((row) =>
      columns.map((column) => ({ row: scaled(row, scale), column: scaled(column, scale) })),
    );
    const largest = { row: cores[0]!.row.size, column: cores[0]!.column.size };
    const result = createResult(value, stage.scale);
    await runStage(
      stage,
      cores.map((core) => exactTile(stage, value, core, largest, result.paste)),
      {
        combine: (parts) => combineSeen(parts, { between: true }),
        whole: value,
        onTile: () => onTile?.(++done, total),
        signal,
      },
    );
    value = result.tensor();
    scale *= stage.scale;
  }
  return value;
}

/** A stretch of a network that takes one value and gives one, and its tiles. */
export interface Part {
  stages: readonly Stage[];
  tiles: Tiles;
}

/** Runs parts one after the other, in this order; what `onTile` is told is of all of them. */
export function inOrder(parts: readonly Part[], { onTile, signal }: RunOptions) {
  const count = ({ stages, tiles: { rows, columns } }: Part) => countTiles(stages, rows.length * columns.length);
  const total = parts.reduce((sum, part) => sum + count(part), 0);
  let before = 0;
  return async (part: Part, input: Tensor): Promise<Tensor> => {
    const result = await runExactTiles(part.stages, input, part.tiles, {
      onTile: (done) => onTile?.(before + done, total),
      signal,
    });
    before += count(part);
    return result;
  };
}

/** The same tiles of a value with sides `scale` times as long. */
export function scaledTiles({ rows, columns }: Tiles, scale: number): Tiles {
  return { rows: rows.map((row) => scaled(row, scale)), columns: columns.map((column) => scaled(column, scale)) };
}

interface Core {
  row: Span;
  column: Span;
}

function exactTile(
  { halo, scale }: Stage,
  source: Tensor,
  { row, column }: Core,
  largest: { row: number; column: number },
  paste: (output: Tensor, from: Window, at: { top: number; left: number }) => void,
): StageTile {
  const [, , height, width] = source.shape as [number, number, number, number];
  const tall = withMargin(row, largest.row, halo, height);
  const wide = withMargin(column, largest.column, halo, width);
  const [top, left] = [row.start - tall.start, column.start - wide.start];
  return {
    input: () => cutWindow(source, { top: tall.start, left: wide.start, height: tall.size, width: wide.size }),
    core: [top, left, top + row.size, left + column.size],
    finish(output) {
      const core = { top: top * scale, left: left * scale, height: row.size * scale, width: column.size * scale };
      paste(output, core, { top: row.start * scale, left: column.start * scale });
    },
  };
}

/** The result of a stage for the whole picture; how many channels it has is known with its first part. */
function createResult({ shape }: Tensor, scale: number) {
  const [, , height, width] = shape as [number, number, number, number];
  let result: Tensor | undefined;
  return {
    paste(output: Tensor, from: Window, at: { top: number; left: number }): void {
      const channels = output.shape[1]!;
      const size = [1, channels, height * scale, width * scale];
      result ??= { data: new Float32Array(channels * height * scale * width * scale), shape: size };
      copyWindow(output, from, result, at);
    },
    tensor: () => result!,
  };
}

/**
 * The input of a tile. All have one size, that of the largest, so that the network sees one shape: the part that the
 * border of the picture cuts off, or a small tile lacks, is added on the other side.
 */
function withMargin({ start }: Span, largest: number, halo: number, extent: number): Span {
  const size = Math.min(extent, largest + 2 * halo);
  return { start: Math.min(Math.max(0, start - halo), extent - size), size };
}

function scaled({ start, size }: Span, scale: number): Span {
  return { start: start * scale, size: size * scale };
}
