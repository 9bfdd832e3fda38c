import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { LATENT_PIXELS, type Span } from '../../../shared/methods/tile-plan.ts';
import type { NoiseSource } from '../../tensor/keyed-normals.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { cutTile, type LatentTile } from '../../tiling/latent-tiles.ts';
import { encodeTiled, type TiledVaeOptions } from '../../vae/tiled-vae.ts';
import type { Vae } from '../../vae/vae.ts';
import type { Denoiser } from './denoiser.ts';

/**
 * A sample of the photo's latent distribution, scaled as the networks want it (Rombach et al. 2022, section 3.1).
 * `condition` [1, 3, 8h, 8w], RGB 0..1.
 */
export async function encodeCondition(
  { vae, scalingFactor }: { vae: Vae; scalingFactor: number },
  condition: Tensor,
  noise: NoiseSource,
  options: TiledVaeOptions,
): Promise<Float32Array> {
  const centered = { data: condition.data.map((value) => 2 * value - 1), shape: condition.shape };
  const { mean, logVariance } = await encodeTiled(vae, centered, options);
  const normals = noise('posterior', 0, mean.data.length);
  return mean.data.map((value, index) => {
    return scalingFactor * (value + Math.exp(logVariance.data[index]! / 2) * normals[index]!);
  });
}

interface StemOptions {
  /** Latents around a tile that its stem sees as well. */
  margin: number;
  /** Looked at between tiles. */
  signal: AbortSignal;
}

/** ControlNet's view of the pixels of each tile, [1, C, h, w]: once for all steps. `condition` as above. */
export async function computeStems(
  denoiser: Denoiser,
  condition: Tensor,
  tiles: readonly LatentTile[],
  { margin, signal }: StemOptions,
): Promise<Map<LatentTile, Tensor>> {
  const [height, width] = condition.shape.slice(2).map((side) => side / LATENT_PIXELS) as [number, number];
  const stems = new Map<LatentTile, Tensor>();
  for (const tile of tiles) {
    await eventLoopTurn();
    signal.throwIfAborted();
    const seen = { row: widen(tile.row, margin, height), column: widen(tile.column, margin, width) };
    const stem = await denoiser.stem(cutTile(condition, seen, LATENT_PIXELS));
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
