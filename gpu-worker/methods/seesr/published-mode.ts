import { LATENT_PIXELS, LEAST_DIFFUSION_SIDE, MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import type { Condition } from '../../diffusion/condition.ts';
import { fixColorsAsPublished } from '../../diffusion/published-color-fix.ts';
import type { Pixels } from '../../images/image.ts';
import { pillowResize } from '../../images/pillow-resize.ts';
import { planPublishedTiles } from '../../tiling/latent-tiles.ts';
import { publishedVaeTiles } from '../../vae/published-vae-tiles.ts';
import type { Mode } from './mode.ts';

/** Latents by which tiles overlap. */
const OVERLAP = 4;

/** Options of the script. */
interface PublishedOptions {
  /** Longest side of a tile, in latents. */
  tileSize: number;
  overlap?: number;
  /** Shortest side that the enlarged photo may have. */
  processSize?: number;
}

/** `test_seesr.py` (github.com/cswry/SeeSR), step by step: its result without a check, in 8 bits. */
export function publishedMode({ tileSize, overlap = OVERLAP, processSize }: PublishedOptions): Mode {
  return {
    antialias: false,
    condition: (photo) => publishedCondition(photo, processSize),
    latentTiles: (height, width) => planPublishedTiles({ height, width, size: tileSize, overlap }),
    // It sees zeros around every tile.
    stemMargin: 0,
    // It always noises to the last timestep, though it never calls it: more noise than it announces.
    startTimestep: (_timesteps, startSteps) => startSteps,
    vaeTiling: publishedVaeTiles(),
    bitDepth: 8,
    checkDecoded: () => {},
  };
}

/**
 * Photos below `processSize` / 4 are enlarged, sides are squeezed to multiples of 8, and the result gets the colors of the
 * photo and is resampled to four times its size.
 */
export function publishedCondition(photo: Pixels, processSize = LEAST_DIFFUSION_SIDE): Condition {
  const image = preparePhoto(photo, processSize);
  return {
    image,
    finish: (result, colorFix) => {
      const fixed = fixColorsAsPublished(result, image, colorFix);
      return pillowResize(fixed, photo.width * MODEL_SCALE, photo.height * MODEL_SCALE);
    },
  };
}

/**
 * A small photo first grows to the shortest side, its sides cut to whole pixels; then the enlargement; then, by resampling,
 * sides that are multiples of 8. Up to three resamplings and a slight squeeze.
 */
function preparePhoto(photo: Pixels, processSize: number): Pixels {
  const shortest = Math.floor(processSize / MODEL_SCALE);
  let prepared = photo;
  if (Math.min(photo.width, photo.height) < shortest) {
    const factor = shortest / Math.min(photo.width, photo.height);
    prepared = pillowResize(prepared, Math.trunc(factor * photo.width), Math.trunc(factor * photo.height));
  }
  prepared = pillowResize(prepared, prepared.width * MODEL_SCALE, prepared.height * MODEL_SCALE);
  const down = (side: number) => Math.floor(side / LATENT_PIXELS) * LATENT_PIXELS;
  return pillowResize(prepared, down(prepared.width), down(prepared.height));
}
