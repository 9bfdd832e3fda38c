import { latentOverlap } from '../../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../../shared/output-format.ts';
import { exactCondition } from '../../diffusion/condition.ts';
import { checkDecoded } from '../../restore/quality-gate.ts';
import { planLatentTiles } from '../../tiling/latent-tiles.ts';
import { exactVaeTiles } from '../../vae/exact-vae-tiles.ts';
import type { Mode } from './mode.ts';

interface ExactOptions {
  /** Longest side of a tile, in latents. */
  tileSize: number;
  bitDepth?: BitDepth | undefined;
}

/**
 * That of the product: nothing of the photo is squeezed or lost, tiles leave no trace, and the networks see as much noise as
 * they are told.
 */
export function exactMode({ tileSize, bitDepth = 8 }: ExactOptions): Mode {
  return {
    condition: exactCondition,
    latentTiles: (height, width) => {
      return planLatentTiles({ height, width, size: tileSize, overlap: latentOverlap(tileSize) });
    },
    // More than the eight convolutions of the stem reach.
    stemMargin: 4,
    end: 'clean',
    vaeTiling: exactVaeTiles(),
    bitDepth,
    checkDecoded,
  };
}
