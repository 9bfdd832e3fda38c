import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import type { Pixels } from '../../images/image.ts';
import { centered, toTensor } from '../../images/image-tensor.ts';
import { mirrorTo } from '../../tensor/mirror.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { blendTiles, cutTile } from '../../tiling/latent-tiles.ts';
import { planPyramidTiles } from '../../tiling/pyramid-tiles.ts';
import type { Mode } from './mode.ts';

/** Constants of the script. */
const TILE = { size: 128, stride: 64 };

/**
 * `notebook_helpers.run` of github.com/CompVis/latent-diffusion, its photo continued to sizes that it can take as the public
 * wrapper LDSR does it (github.com/AUTOMATIC1111/stable-diffusion-webui, extensions-builtin/LDSR). UNet and decoder go over
 * tiles that know nothing of one another; 8 bits are cut, not rounded.
 */
export function publishedMode({ size, stride }: typeof TILE = TILE): Mode {
  const side = (photoSide: number) => Math.max(size, Math.ceil(photoSide / stride) * stride);
  return {
    condition: (photo) => {
      const repeated = (position: number, length: number) => Math.min(position, length - 1);
      return centered(mirrorTo(toTensor(photo), [side(photo.height), side(photo.width)], repeated));
    },
    latentTiles: (height, width) => planPyramidTiles({ height, width, size, stride }),
    async decode(decoder, latent, { onTile, signal }) {
      const [, , height, width] = latent.shape as [number, number, number, number];
      const seen = planPyramidTiles({ height, width, size, stride });
      const made = planPyramidTiles({
        height: MODEL_SCALE * height,
        width: MODEL_SCALE * width,
        size: MODEL_SCALE * size,
        stride: MODEL_SCALE * stride,
      });
      onTile?.(0, seen.length);
      return await blendTiles(made, async (_, index) => {
        await eventLoopTurn();
        signal?.throwIfAborted();
        const part = await decoder.decode(cutTile(latent, seen[index]!));
        onTile?.(index + 1, seen.length);
        return part;
      });
    },
    toPixels: cutToBytes,
    checkDecoded: () => {},
  };
}

/** [1, 3, h, w], −1..1, clamped → 8-bit RGB, the fraction cut away. */
function cutToBytes({ data, shape }: Tensor): Pixels {
  const [, , height, width] = shape as [number, number, number, number];
  const area = height * width;
  const pixels = new Uint8Array(3 * area);
  for (let pixel = 0; pixel < area; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const value = Math.min(1, Math.max(-1, data[channel * area + pixel]!));
      pixels[3 * pixel + channel] = Math.fround((Math.fround(value + 1) / 2) * 255);
    }
  }
  return { width, height, channels: 3, data: pixels };
}
