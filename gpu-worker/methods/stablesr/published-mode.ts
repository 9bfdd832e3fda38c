import type { ColorFix } from '../../../shared/methods/parameters.ts';
import { LATENT_PIXELS, MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import { fixFloatColors } from '../../diffusion/float-color-fix.ts';
import { cropPixels } from '../../images/crop.ts';
import type { Pixels } from '../../images/image.ts';
import { centered, toTensor } from '../../images/image-tensor.ts';
import { pillowResize } from '../../images/pillow-resize.ts';
import { resizeTensor } from '../../images/torch-resize.ts';
import { mirrored, mirrorTo } from '../../tensor/mirror.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { blendTiles, cutTile, type LatentTile, planPublishedTiles } from '../../tiling/latent-tiles.ts';
import type { Mode, Repaint } from './mode.ts';

/** Options of the script, and its defaults. */
export interface ScriptOptions {
  /** Longest side of a tile, in latents; the shortest side of a picture in pixels is 8 times that. */
  tileSize: number;
  /** Latents by which tiles overlap. */
  overlap?: number;
  /** Pictures that are larger are cut: side and distance of the parts, in pixels. */
  part?: { size: number; stride: number };
}

const OVERLAP = 32;
const PART = { size: 1280, stride: 1000 };
/** Sides of the picture are multiples of it, in pixels. */
const UNIT = 32;

/** `sr_val_ddpm_text_T_vqganfin_oldcanvas_tile.py` (github.com/IceClear/StableSR), step by step. */
export function publishedMode(options: ScriptOptions): Mode {
  return {
    latentTiles: (height, width) => canvasTiles(height, width, options),
    async restore(photo, colorFix, repaint) {
      const [width, height] = [photo.width * MODEL_SCALE, photo.height * MODEL_SCALE];
      const picture = await tileScript(photo, colorFix, repaint, options);
      // Of small photos it leaves more than that, and where it rounds down less.
      return picture.width >= width && picture.height >= height
        ? cropPixels(picture, { x: 0, y: 0, width, height })
        : pillowResize(picture, width, height);
    },
  };
}

/** Squares, visited column by column; weights are half a latent off center vertically. */
export function canvasTiles(
  height: number,
  width: number,
  { tileSize, overlap = OVERLAP }: Pick<ScriptOptions, 'tileSize' | 'overlap'>,
): LatentTile[] {
  return inColumns(planPublishedTiles({ height, width, size: tileSize, overlap }));
}

/** Parts of a picture that is too large for the script, with the same weights; sides in pixels. */
export function pictureParts(height: number, width: number, { size, stride }: typeof PART): LatentTile[] {
  if (Math.max(height, width) <= size)
    return planPublishedTiles({ height, width, size: Math.max(height, width), overlap: 0 });
  return inColumns(planPublishedTiles({ height, width, size, overlap: size - stride }));
}

function inColumns(tiles: readonly LatentTile[]): LatentTile[] {
  return tiles.toSorted((a, b) => a.column.start - b.column.start || a.row.start - b.row.start);
}

/** The result has four times the sides of the photo, or more where these are below a quarter of the shortest. */
export async function tileScript(
  photo: Pixels,
  colorFix: ColorFix,
  repaint: Repaint,
  { tileSize, part = PART }: ScriptOptions,
): Promise<Pixels> {
  const factor = Math.max((tileSize * LATENT_PIXELS) / Math.min(photo.width, photo.height), MODEL_SCALE);
  const width = Math.trunc(photo.width * factor);
  const height = Math.trunc(photo.height * factor);
  const enlarged = clamped(resizeTensor(centered(toTensor(photo)), { width, height }, 'bicubic'), -1);
  const picture = padded(enlarged);
  const [rows, columns] = picture.shape.slice(2) as [number, number];
  const parts = pictureParts(rows, columns, part);
  const blended = await blendTiles(parts, async (tile, index) => {
    const own = parts.length === 1 ? picture : cutTile(picture, tile);
    return fixFloatColors(await repaint(own, { index, count: parts.length }), own, colorFix);
  });
  let result = clamped({ data: blended.data.map((value) => (value + 1) / 2), shape: blended.shape }, 0);
  if (factor > MODEL_SCALE) {
    const back = (side: number) => Math.trunc((side * MODEL_SCALE) / factor);
    result = clamped(resizeTensor(result, { width: back(columns), height: back(rows) }, 'bicubic'), 0);
  }
  const levels = truncated(result);
  if (picture === enlarged) return levels;
  const [cutWidth, cutHeight] = [Math.min(width, levels.width), Math.min(height, levels.height)];
  return cropPixels(levels, { x: 0, y: 0, width: cutWidth, height: cutHeight });
}

/** To at most 1. */
export function clamped({ data, shape }: Tensor, least: number): Tensor {
  return { data: data.map((value) => Math.min(1, Math.max(least, value))), shape };
}

/** Where one side is no multiple of 32 the other one grows by 32 even if it is. */
function padded(picture: Tensor): Tensor {
  const sides = picture.shape.slice(2) as [number, number];
  if (sides.every((side) => side % UNIT === 0)) return picture;
  const [height, width] = sides.map((side) => (Math.floor(side / UNIT) + 1) * UNIT) as [number, number];
  return mirrorTo(picture, [height, width], mirrored);
}

/** [1, 3, h, w], 0..1 → 8 bits, rounded down. */
export function truncated({ data, shape }: Tensor): Pixels {
  const [, channels, height, width] = shape as [number, 3, number, number];
  const area = height * width;
  const pixels = new Uint8Array(channels * area);
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < area; pixel++)
      pixels[pixel * channels + channel] = Math.trunc(Math.fround(data[channel * area + pixel]! * 255));
  }
  return { width, height, channels, data: pixels };
}
