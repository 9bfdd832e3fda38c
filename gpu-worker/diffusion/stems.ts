import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import type { Span } from '../../shared/methods/tile-plan.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { cutTile, type LatentTile } from '../tiling/latent-tiles.ts';
import type { Denoiser } from './denoiser.ts';

interface StemOptions {
  /** Sides of the condition over those of the latent. */
  scale: number;
  /** Latents around a tile that its stem sees as well. */
  margin: number;
  /** Looked at between tiles. */
  signal: AbortSignal;
}

/** ControlNet's view of the condition at each tile, [1, C, h, w]: once for all steps. `condition` [1, c, H, W]. */
export async function computeStems(
  denoiser: Denoiser,
  condition: Tensor,
  tiles: readonly LatentTile[],
  { scale, margin, signal }: StemOptions,
): Promise<Map<LatentTile, Tensor>> {
  const [height, width] = condition.shape.slice(2).map((side) => side / scale) as [number, number];
  const stems = new Map<LatentTile, Tensor>();
  for (const tile of tiles) {
    await eventLoopTurn();
    signal.throwIfAborted();
    const seen = { row: widen(tile.row, margin, height), column: widen(tile.column, margin, width) };
    const stem = await denoiser.stem(cutTile(condition, seen, scale));
    stems.set(tile, cutTile(stem, { row: within(tile.row, seen.row), column: within(tile.column, seen.column) }));
  }
  return stems;
}

function widen({ start, size }: Span, margin: number, extent: number): Span {
  const from = Math.max(0, start - margin);
  return { start: from, size: Math.min(extent, start + size + margin) - from };
}

function within({ start, size }: Span, outer: Span): Span {
  return { start: start - outer.start, size };
}
