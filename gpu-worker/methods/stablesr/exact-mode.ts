import { latentOverlap } from '../../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../../shared/output-format.ts';
import { exactCondition } from '../../diffusion/condition.ts';
import { centered, fromTensor, toTensor } from '../../images/image-tensor.ts';
import { checkDecoded } from '../../restore/quality-gate.ts';
import { planLatentTiles } from '../../tiling/latent-tiles.ts';
import type { Mode } from './mode.ts';

interface ExactOptions {
  /** Longest side of a tile, in latents. */
  tileSize: number;
  bitDepth?: BitDepth | undefined;
}

/** That of the product: nothing of the photo is squeezed or lost, and tiles leave no trace. */
export function exactMode({ tileSize, bitDepth = 8 }: ExactOptions): Mode {
  return {
    latentTiles: (height, width) =>
      planLatentTiles({ height, width, size: tileSize, overlap: latentOverlap(tileSize) }),
    async restore(photo, colorFix, repaint) {
      const condition = exactCondition(photo);
      const decoded = await repaint(centered(toTensor(condition.image)), { index: 0, count: 1 });
      const restored = fromTensor(decoded, bitDepth);
      checkDecoded(restored, condition.image);
      return condition.finish(restored, colorFix);
    },
  };
}
