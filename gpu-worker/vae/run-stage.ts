import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import type { Tensor } from '../tensor/tensor.ts';
import type { Stage } from './stage.ts';

/** How a computation by tiles is watched and stopped. */
export interface RunOptions {
  /** Also before the first. The tiles of all stages are counted. */
  onTile?: ((done: number, total: number) => void) | undefined;
  /** Looked at between tiles; an abort makes the call reject with its reason. */
  signal?: AbortSignal | undefined;
}

/** What is computed in one piece, as one tile. */
export async function runAlone<Result>(
  compute: () => Promise<Result>,
  { onTile, signal }: RunOptions,
): Promise<Result> {
  onTile?.(0, 1);
  await eventLoopTurn();
  signal?.throwIfAborted();
  const result = await compute();
  onTile?.(1, 1);
  return result;
}

/** One tile on its way through a stage. */
export interface StageTile {
  /** With its margin, [1, c, h, w]; made when it is needed. */
  input(): Tensor;
  /** The part of it that counts for the norms, in positions of the input. */
  core: Edges;
  /** Takes the result for all of the input. */
  finish(output: Tensor): void;
}

/** Top, left, bottom, right; the last two exclusive. */
type Edges = readonly [number, number, number, number];

/**
 * The statistics of one tile: of every group of channels mean and biased variance, [2, groups], over so many positions.
 */
interface Seen {
  norm: Tensor;
  positions: number;
}

interface StageOptions {
  /** The statistics of all tiles together. */
  combine: (parts: readonly Seen[]) => Tensor;
  /** The target of attention, if not its tile: the whole input of the stage. */
  whole?: Tensor;
  /** After each tile, once for each norm and once more for the result. */
  onTile: () => void;
  signal: AbortSignal | undefined;
}

/** Takes all tiles through a stage together: norm by norm their statistics of the picture, then their results. */
export async function runStage(
  stage: Stage,
  tiles: readonly StageTile[],
  { combine, whole, onTile, signal }: StageOptions,
): Promise<void> {
  const norms: Tensor[] = [];
  const takeTurn = async () => {
    await eventLoopTurn();
    signal?.throwIfAborted();
  };
  for (const [index, scale] of stage.normScales.entries()) {
    const pass = await stage.openNorm(index);
    const parts: Seen[] = [];
    try {
      for (const tile of tiles) {
        await takeTurn();
        const core = tile.core.map((edge) => Math.floor(edge * scale)) as [number, number, number, number];
        const [top, left, bottom, right] = core;
        const norm = await pass.run({ tile: tile.input(), core, norms });
        parts.push({ norm, positions: (bottom - top) * (right - left) });
        onTile();
      }
    } finally {
      await pass.release();
    }
    norms.push(combine(parts));
  }
  const pass = await stage.openOutput();
  try {
    for (const tile of tiles) {
      await takeTurn();
      tile.finish(await pass.run({ tile: tile.input(), norms, whole }));
      onTile();
    }
  } finally {
    await pass.release();
  }
}

/** How often `runStage` calls `onTile`. */
export function countTiles(stages: readonly Stage[], tiles: number): number {
  return stages.reduce((sum, { normScales }) => sum + (normScales.length + 1) * tiles, 0);
}

/**
 * Mean and variance of parts put together, in doubles. The variance of the whole is that within the parts and that
 * between their means; `between: false` leaves the latter out.
 */
export function combineSeen(parts: readonly Seen[], { between }: { between: boolean }): Tensor {
  const { shape } = parts[0]!.norm;
  const groups = shape[1]!;
  const positions = parts.reduce((sum, part) => sum + part.positions, 0);
  const average = (value: (norm: Float32Array) => number) =>
    parts.reduce((sum, part) => sum + (part.positions / positions) * value(part.norm.data), 0);
  const data = new Float32Array(2 * groups);
  for (let group = 0; group < groups; group++) {
    const mean = average((norm) => norm[group]!);
    data[group] = mean;
    data[groups + group] = average((norm) => norm[groups + group]! + (between ? (norm[group]! - mean) ** 2 : 0));
  }
  return { data, shape };
}
