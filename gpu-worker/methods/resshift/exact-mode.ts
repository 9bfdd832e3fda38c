import { RESSHIFT_UNIT } from '../../../shared/methods/resshift.ts';
import { latentOverlap } from '../../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../../shared/output-format.ts';
import { pillowResize } from '../../images/pillow-resize.ts';
import { checkDecoded } from '../../restore/quality-gate.ts';
import { planLatentTiles, wholeTile } from '../../tiling/latent-tiles.ts';
import type { Mode } from './mode.ts';

interface ExactOptions {
  /** Longest side of a tile, in latents: pixels of the photo. */
  tileSize: number;
  bitDepth?: BitDepth | undefined;
}

/** That of the product: one latent for the photo, however large, so that tiles leave no trace. */
export function exactMode({ tileSize, bitDepth = 8 }: ExactOptions): Mode {
  return {
    parts: wholeTile,
    unit: RESSHIFT_UNIT,
    latentTiles: (height, width) =>
      planLatentTiles({ height, width, size: tileSize, overlap: latentOverlap(tileSize), unit: RESSHIFT_UNIT }),
    bitDepth,
    checkDecoded: (picture, photo) => checkDecoded(picture, pillowResize(photo, picture.width, picture.height)),
  };
}
