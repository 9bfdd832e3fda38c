import { diffusionSide, LEAST_DIFFUSION_SIDE, MODEL_SCALE } from '../../shared/tile-plan.ts';
import type { Pixels } from '../images/image.ts';
import { pillowResize, prepareCompat } from '../images/pillow-resize.ts';

/** The picture that steers the diffusion, and the way from its result back to the photo. */
export interface Condition {
  /** 8-bit RGB; both sides are multiples of 8. */
  image: Pixels;
  /** A picture of the same size → exactly four times the photo, its colors taken from the photo by `fixColors`. */
  finish(result: Pixels, fixColors: (result: Pixels, reference: Pixels) => Pixels): Pixels;
}

/**
 * The photo, four times larger by a cubic filter, mirrored at its right and lower border up to a size that suits the
 * networks. What comes back is cut, never squeezed. `photo`: 8-bit RGB.
 */
export function exactCondition(photo: Pixels): Condition {
  const [width, height] = [photo.width * MODEL_SCALE, photo.height * MODEL_SCALE];
  const enlarged = pillowResize(photo, width, height);
  return {
    image: mirror(enlarged, diffusionSide(photo.width), diffusionSide(photo.height)),
    finish: (result, fixColors) => fixColors(crop(result, width, height), enlarged),
  };
}

/**
 * As in the published script: photos below `processSize` / 4 are enlarged, sides are squeezed to multiples of 8, and the
 * result is resampled to four times the photo. `photo`: 8-bit RGB.
 */
export function compatCondition(photo: Pixels, processSize = LEAST_DIFFUSION_SIDE): Condition {
  const image = prepareCompat(photo, { processSize, upscale: MODEL_SCALE });
  return {
    image,
    finish: (result, fixColors) =>
      pillowResize(fixColors(result, image), photo.width * MODEL_SCALE, photo.height * MODEL_SCALE),
  };
}

/** Continues a picture by its mirror images, the border itself not repeated. */
function mirror(image: Pixels, width: number, height: number): Pixels {
  const columns = Array.from({ length: width }, (_, x) => 3 * mirrored(x, image.width));
  const data = new Uint8Array(width * height * 3);
  let target = 0;
  for (let y = 0; y < height; y++) {
    const row = mirrored(y, image.height) * image.width * 3;
    for (const column of columns) {
      data[target++] = image.data[row + column]!;
      data[target++] = image.data[row + column + 1]!;
      data[target++] = image.data[row + column + 2]!;
    }
  }
  return { width, height, channels: 3, data };
}

function mirrored(position: number, size: number): number {
  if (size === 1) return 0;
  const place = position % (2 * (size - 1));
  return place < size ? place : 2 * (size - 1) - place;
}

/** Its upper left corner. */
function crop(image: Pixels, width: number, height: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const start = y * image.width * 3;
    data.set(image.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { width, height, channels: 3, data };
}
