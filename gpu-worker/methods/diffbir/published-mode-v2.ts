import type { Size } from '../../../shared/methods/method.ts';
import { LATENT_PIXELS, LEAST_DIFFUSION_SIDE, MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import { fixFloatColors } from '../../diffusion/float-color-fix.ts';
import { computeStems } from '../../diffusion/stems.ts';
import type { Pixels } from '../../images/image.ts';
import { toTensor } from '../../images/image-tensor.ts';
import { pillowResize } from '../../images/pillow-resize.ts';
import { resampleTensor } from '../../images/resample-tensor.ts';
import { bicubic } from '../../images/resampling.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { copyWindow, cutWindow } from '../../tensor/window.ts';
import { blendTiles, cutTile, planPublishedTiles, wholeTile } from '../../tiling/latent-tiles.ts';
import { publishedVaeTiles } from '../../vae/published-vae-tiles.ts';
import { decodeTiled, type VaeTiling } from '../../vae/tiled-vae.ts';
import type { FirstStage } from './first-stage.ts';
import { encodeHint } from './hint.ts';
import type { Mode, TileOptions } from './mode.ts';
import { truncated, WHOLE } from './published-mode.ts';

/** In pixels. */
interface Tiles {
  size: number;
  stride: number;
}

/** Options of the script: what is missing runs without tiles. */
export interface LaterPublishedOptions {
  scale?: number;
  /** Of a first stage that enlarges; in pixels of the photo. */
  firstStage?: Tiles | undefined;
  diffusion?: Tiles | undefined;
  /** In pixels of the picture. */
  encoder?: number | undefined;
  decoder?: number | undefined;
}

/** Sides of the picture are multiples of it; by tiles of one latent. */
const UNIT = 64;

/** `inference.py` of version 2 and 2.1 (github.com/XPixelGroup/DiffBIR, 3f8b530). */
export function laterPublishedMode(options: LaterPublishedOptions = {}): Mode {
  const { diffusion, encoder, decoder } = options;
  const unit = encoder || diffusion ? LATENT_PIXELS : UNIT;
  return {
    async clean(photo, firstStage, run) {
      const { picture, asked } = await cleanPublished(photo, firstStage, options, run);
      return {
        condition: zeroPadded(picture, unit),
        finish(decoded, colorFix) {
          const shown = { ...decoded, data: decoded.data.map((value) => (value + 1) / 2) };
          const fixed = fixFloatColors(cutTo(shown, picture), picture, colorFix);
          return truncated(resampleTensor(fixed, asked, bicubic));
        },
      };
    },
    startTimestep: (_begins, startSteps) => startSteps,
    latentTiles(height, width) {
      const size = diffusion && diffusion.size / LATENT_PIXELS;
      if (!size || Math.min(height, width) < size) return wholeTile({ height, width });
      return planPublishedTiles({ height, width, size, overlap: size - diffusion.stride / LATENT_PIXELS });
    },
    async see({ vae, denoiser }, condition, tiles, { signal, onTile, alter = (hint) => hint }) {
      const hint = await encodeHint(vae, condition, { tiling: vaeTiles(encoder), signal, onTile });
      return { hint, stems: await computeStems(denoiser, alter(hint), tiles, { scale: 1, margin: 0, signal }) };
    },
    decode(vae, latent, { signal, onTile }) {
      return decodeTiled(vae, latent, { tiling: vaeTiles(decoder && decoder / LATENT_PIXELS), signal, onTile });
    },
  };
}

/** The cleaned picture, not padded, and the size that was asked for. */
export async function cleanPublished(
  photo: Pixels,
  firstStage: FirstStage,
  { scale = MODEL_SCALE, firstStage: tiles }: LaterPublishedOptions,
  run: TileOptions,
): Promise<{ picture: Tensor; asked: Size }> {
  const asked = { width: Math.trunc(photo.width * scale), height: Math.trunc(photo.height * scale) };
  const clean = firstStage.scale === 1 ? cleanEnlarged : enlargeCleaned;
  return { picture: await clean(photo, asked, firstStage, { ...run, tiles }), asked };
}

function vaeTiles(size: number | undefined): VaeTiling {
  return size ? publishedVaeTiles(size) : WHOLE;
}

interface CleanOptions extends TileOptions {
  tiles?: Tiles | undefined;
}

/** Version 2.1: enlarged, small photos more than was asked for, then cleaned. */
async function cleanEnlarged(photo: Pixels, asked: Size, firstStage: FirstStage, run: TileOptions): Promise<Tensor> {
  const enlarged = large(toTensor(pillowResize(photo, asked.width, asked.height)), asked);
  return cutTo(await firstStage.clean(zeroPadded(enlarged, UNIT), run), enlarged);
}

/** Version 2: cleaned and enlarged by the network, then brought to the size. */
async function enlargeCleaned(
  photo: Pixels,
  asked: Size,
  firstStage: FirstStage,
  { tiles, ...run }: CleanOptions,
): Promise<Tensor> {
  const picture = toTensor(photo);
  const { width, height } = photo;
  if (!tiles || Math.min(height, width) < tiles.size) return large(await firstStage.clean(picture, run), asked);
  const { scale } = firstStage;
  const plan = (factor: number) => {
    const [size, overlap] = [factor * tiles.size, factor * (tiles.size - tiles.stride)];
    return planPublishedTiles({ height: factor * height, width: factor * width, size, overlap });
  };
  const cuts = plan(1);
  const blended = await blendTiles(plan(scale), (_, index) => firstStage.clean(cutTile(picture, cuts[index]!), run));
  return large(blended, asked);
}

/** In the size that was asked for, or where the picture is small, with a short side that the diffusion takes. */
function large(picture: Tensor, asked: Size): Tensor {
  const [height, width] = picture.shape.slice(2) as [number, number];
  const short = Math.min(height, width);
  const least = LEAST_DIFFUSION_SIDE;
  const side = (one: number) => (one === short ? least : Math.trunc((one * least) / short));
  return resampleTensor(picture, short < least ? { width: side(width), height: side(height) } : asked, bicubic);
}

/** Black, or where it is a latent nothing, at the right and at the bottom up to whole units. */
function zeroPadded(picture: Tensor, unit: number): Tensor {
  const [, channels, height, width] = picture.shape as [number, number, number, number];
  const sides = [height, width].map((side) => Math.ceil(side / unit) * unit) as [number, number];
  const shape = [1, channels, ...sides];
  const padded: Tensor = { data: new Float32Array(channels * sides[0] * sides[1]), shape };
  copyWindow(picture, { top: 0, left: 0, height, width }, padded, { top: 0, left: 0 });
  return padded;
}

/** The part that lies over another picture. */
function cutTo(picture: Tensor, { shape }: Tensor): Tensor {
  return cutWindow(picture, { top: 0, left: 0, height: shape[2]!, width: shape[3]! });
}
