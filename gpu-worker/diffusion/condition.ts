import type { ColorFix } from '../../shared/methods/parameters.ts';
import { diffusionSide, MODEL_SCALE } from '../../shared/methods/tile-plan.ts';
import { cropPixels } from '../images/crop.ts';
import type { Pixels } from '../images/image.ts';
import { pillowResize } from '../images/pillow-resize.ts';
import { mirrored } from '../tensor/mirror.ts';

/** The picture that steers the diffusion, and the way from its result back to the photo. */
export interface Condition {
  /** 8-bit RGB; both sides are multiples of 8. */
  image: Pixels;
  /** A picture of the same size → exactly four times the photo. */
  finish(result: Pixels, colorFix: ColorFix): Pixels;
}

/**
 * The photo, four times larger by a cubic filter, mirrored at its right and lower border up to a size that suits the
 * networks. The result is cut, never squeezed; its colors are those of the networks. `photo`: 8-bit RGB.
 */
export function exactCondition(photo: Pixels): Condition {
  const [width, height] = [photo.width * MODEL_SCALE, photo.height * MODEL_SCALE];
  const enlarged = pillowResize(photo, width, height);
  return {
    image: mirror(enlarged, diffusionSide(photo.width), diffusionSide(photo.height)),
    finish: (result) => cropPixels(result, { x: 0, y: 0, width, height }),
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
