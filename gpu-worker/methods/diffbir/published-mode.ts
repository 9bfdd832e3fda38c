import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import type { Size } from '../../../shared/methods/method.ts';
import { LATENT_PIXELS, LEAST_DIFFUSION_SIDE, MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import { fixFloatColors } from '../../diffusion/float-color-fix.ts';
import { cropPixels } from '../../images/crop.ts';
import type { Pixels } from '../../images/image.ts';
import { toTensor } from '../../images/image-tensor.ts';
import { pillowResize } from '../../images/pillow-resize.ts';
import { lanczos } from '../../images/resampling.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { blendTiles, cutTile, type LatentTile, planEqualTiles } from '../../tiling/latent-tiles.ts';
import type { VaeTiling } from '../../vae/tiled-vae.ts';
import { encodeHint } from './hint.ts';
import type { Mode } from './mode.ts';

/** Options of the script; sides in pixels. */
interface PublishedOptions {
  scale?: number;
  /** Of tiles; without it the picture is computed as one. */
  tile?: { size: number; stride: number };
}

/** Sides of pictures are multiples of it. */
const UNIT = 64;
/** In one piece, however large it is. */
export const WHOLE: VaeTiling = { fits: () => true, run: () => Promise.reject(new RangeError('It is one piece.')) };

/**
 * `inference.py` of DiffBIR's first version (github.com/XPixelGroup/DiffBIR, 7bd5675). Its tiles know nothing of one
 * another and count alike where they overlap; each is encoded, decoded and colored by itself.
 */
export function publishedMode({ scale = MODEL_SCALE, tile }: PublishedOptions = {}): Mode {
  const least = tile?.size ?? LEAST_DIFFUSION_SIDE;
  const tilesOf = (height: number, width: number, unit: number) => {
    const { size, stride } = tile ?? { size: Infinity, stride: 0 };
    return planEqualTiles({ height, width, size: size / unit, stride: stride / unit });
  };
  return {
    async clean(photo, firstStage, options) {
      const { picture, finish } = preparePublished(photo, { scale, least });
      return { condition: await firstStage.clean(picture, options), finish };
    },
    startTimestep: (begins) => begins,
    latentTiles: (height, width) => tilesOf(height, width, LATENT_PIXELS),
    async see({ vae, denoiser }, condition, tiles, { signal, onTile }) {
      const stems = new Map<LatentTile, Tensor>();
      let hint: Tensor | undefined;
      for (const [index, one] of tiles.entries()) {
        await eventLoopTurn();
        signal.throwIfAborted();
        hint = await encodeHint(vae, cutTile(condition, one, LATENT_PIXELS), { tiling: WHOLE, signal });
        stems.set(one, await denoiser.stem(hint));
        onTile?.(index + 1, tiles.length);
      }
      return { ...(tiles.length === 1 && hint && { hint }), stems };
    },
    async decode(vae, latent, { condition, colorFix, signal, onTile }) {
      const [height, width] = latent.shape.slice(2) as [number, number];
      const tiles = tilesOf(height, width, LATENT_PIXELS);
      const pixels = tilesOf(height * LATENT_PIXELS, width * LATENT_PIXELS, 1);
      return await blendTiles(pixels, async (place, index) => {
        await eventLoopTurn();
        signal.throwIfAborted();
        const decoded = await vae.decode(cutTile(latent, tiles[index]!));
        const picture = { data: decoded.data.map((value) => (value + 1) / 2), shape: decoded.shape };
        onTile?.(index + 1, tiles.length);
        return fixFloatColors(picture, cutTile(condition, place), colorFix);
      });
    },
  };
}

/**
 * The photo enlarged, small ones up to `least` pixels a side, black at the right and at the bottom up to whole units. The
 * result is cut, and brought to the enlarged size.
 */
export function preparePublished(photo: Pixels, { scale, least }: { scale: number; least: number }) {
  const sizes = publishedSizes(photo, { scale, least });
  const enlarged = pillowResize(photo, sizes.scaled.width, sizes.scaled.height);
  const resized = pillowResize(enlarged, sizes.resized.width, sizes.resized.height);
  return {
    picture: toTensor(padded(resized, sizes.padded)),
    finish(decoded: Tensor): Pixels {
      const cut = cropPixels(truncated(decoded), { x: 0, y: 0, ...sizes.resized });
      return pillowResize(cut, sizes.scaled.width, sizes.scaled.height, lanczos);
    },
  };
}

/** Of the picture on its way to the first stage. */
export function publishedSizes({ width, height }: Size, { scale, least }: { scale: number; least: number }) {
  const by = (size: Size, factor: number): Size => ({
    width: Math.ceil(size.width * factor),
    height: Math.ceil(size.height * factor),
  });
  const scaled = by({ width, height }, scale);
  const short = Math.min(scaled.width, scaled.height);
  const resized = short < least ? by(scaled, least / short) : scaled;
  const up = (side: number) => Math.ceil(side / UNIT) * UNIT;
  return { scaled, resized, padded: { width: up(resized.width), height: up(resized.height) } };
}

function padded({ width, height, data }: Pixels, size: Size): Pixels {
  const result = new Uint8Array(3 * size.width * size.height);
  for (let y = 0; y < height; y++) result.set(data.subarray(3 * y * width, 3 * (y + 1) * width), 3 * y * size.width);
  return { ...size, channels: 3, data: result };
}

/** [1, 3, h, w] 0..1, clamped and cut down to 8 bits. */
export function truncated({ data, shape }: Tensor): Pixels {
  const [, , height, width] = shape as [number, number, number, number];
  const area = height * width;
  const pixels = Uint8Array.from({ length: 3 * area }, (_, index) => {
    const value = data[(index % 3) * area + Math.floor(index / 3)]!;
    return Math.fround(Math.min(1, Math.max(0, value)) * 255);
  });
  return { width, height, channels: 3, data: pixels };
}
