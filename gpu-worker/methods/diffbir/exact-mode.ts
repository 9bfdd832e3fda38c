import { latentOverlap } from '../../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../../shared/output-format.ts';
import { exactCondition } from '../../diffusion/condition.ts';
import { computeStems } from '../../diffusion/stems.ts';
import { fromTensor, toTensor } from '../../images/image-tensor.ts';
import { checkDecoded } from '../../restore/quality-gate.ts';
import { mirrored, mirrorTo } from '../../tensor/mirror.ts';
import { planLatentTiles } from '../../tiling/latent-tiles.ts';
import { exactVaeTiles } from '../../vae/exact-vae-tiles.ts';
import { decodeTiled } from '../../vae/tiled-vae.ts';
import { encodeHint } from './hint.ts';
import type { Mode } from './mode.ts';

interface ExactOptions {
  /** Longest side of a tile, in latents. */
  tileSize: number;
  bitDepth?: BitDepth | undefined;
}

/** That of the product: nothing of the photo is lost, tiles leave no trace, colors are matched to the photo afterwards. */
export function exactMode({ tileSize, bitDepth = 8 }: ExactOptions): Mode {
  const tiling = exactVaeTiles();
  return {
    async clean(photo, firstStage, options) {
      const { image, finish } = exactCondition(photo);
      // One that enlarges by itself sees the photo; the result is continued in the place of the photo.
      const cleaned = await firstStage.clean(toTensor(firstStage.scale === 1 ? image : photo), options);
      return {
        condition: mirrorTo(cleaned, [image.height, image.width], mirrored),
        finish(decoded) {
          const restored = fromTensor(decoded, bitDepth);
          checkDecoded(restored, image);
          return finish(restored, 'none');
        },
      };
    },
    startTimestep: (begins) => begins,
    latentTiles: (height, width) => {
      return planLatentTiles({ height, width, size: tileSize, overlap: latentOverlap(tileSize) });
    },
    async see({ vae, denoiser }, condition, tiles, { signal, onTile, alter = (hint) => hint }) {
      const hint = await encodeHint(vae, condition, { tiling, signal, onTile });
      // As far as its one convolution reaches.
      return { hint, stems: await computeStems(denoiser, alter(hint), tiles, { scale: 1, margin: 1, signal }) };
    },
    decode: (vae, latent, { signal, onTile }) => decodeTiled(vae, latent, { tiling, signal, onTile }),
  };
}
