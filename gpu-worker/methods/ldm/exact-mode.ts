import { ldmSide } from '../../../shared/methods/ldm.ts';
import { latentOverlap, MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../../shared/output-format.ts';
import { centered, fromTensor, toTensor } from '../../images/image-tensor.ts';
import { checkDecoded } from '../../restore/quality-gate.ts';
import { mirrored, mirrorTo } from '../../tensor/mirror.ts';
import { planLatentTiles } from '../../tiling/latent-tiles.ts';
import { exactVaeTiles } from '../../vae/exact-vae-tiles.ts';
import { decodeTiled } from '../../vae/tiled-vae.ts';
import type { Mode } from './mode.ts';

interface ExactOptions {
  /** Longest side of a tile, in positions of the latent. */
  tileSize: number;
  bitDepth?: BitDepth | undefined;
}

/** That of the product: any size, continued by its mirror image; tiles leave no trace. */
export function exactMode({ tileSize, bitDepth = 8 }: ExactOptions): Mode {
  const tiling = exactVaeTiles(undefined, MODEL_SCALE);
  return {
    condition: (photo) => centered(mirrorTo(toTensor(photo), [ldmSide(photo.height), ldmSide(photo.width)], mirrored)),
    latentTiles: (height, width) => {
      return planLatentTiles({ height, width, size: tileSize, overlap: latentOverlap(tileSize) });
    },
    decode: (decoder, latent, options) => decodeTiled(decoder, latent, { ...options, tiling }),
    toPixels: (picture) => fromTensor(picture, bitDepth),
    checkDecoded,
  };
}
