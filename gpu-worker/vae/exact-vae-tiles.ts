import { coverEvenly, LATENT_PIXELS } from '../../shared/methods/tile-plan.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { runExactTiles, type Tiles } from './exact-tiles.ts';
import type { Stage } from './stage.ts';
import type { VaeTiling } from './tiled-vae.ts';

/** Up to 768² pixels in one piece, which takes 3.5 GB, half of the denoiser's need. */
export const WHOLE_PIXELS = 768;
/** Longest side of a tile beyond that; its first layers take 1.6 GB. */
export const TILE_PIXELS = 512;

/**
 * By area, as it decides about memory. `tileSize`: other than by default, and of one piece as well. `factor`: pixels a
 * latent.
 */
export function exactVaeTiles(tileSize?: number, factor = LATENT_PIXELS): VaeTiling {
  const sideOf = (pixels: number, unit: 'pixels' | 'latents') => (unit === 'pixels' ? pixels : pixels / factor);
  return {
    fits: (height, width, unit) => height * width <= (tileSize ?? sideOf(WHOLE_PIXELS, unit)) ** 2,
    run: (stages, input, unit, options) =>
      runExactTiles(stages, input, evenTiles(stages, input, tileSize ?? sideOf(TILE_PIXELS, unit)), options),
  };
}

/** Equal tiles with sides of at most `tileSize`, or what the stages need of whole positions. */
function evenTiles(stages: readonly Stage[], { shape }: Tensor, tileSize: number): Tiles {
  const [, , height, width] = shape as [number, number, number, number];
  // Whole positions after all of the downsampling.
  const alignment = Math.max(1, 1 / stages.reduce((scale, stage) => scale * stage.scale, 1));
  return { rows: coverEvenly(height, tileSize, alignment), columns: coverEvenly(width, tileSize, alignment) };
}
