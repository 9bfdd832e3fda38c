import { LATENT_PIXELS, MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import type { Condition } from '../../diffusion/condition.ts';
import { fixColorsAsPublished } from '../../diffusion/published-color-fix.ts';
import type { Pixels } from '../../images/image.ts';
import { pillow13Resize } from '../../images/pillow-resize.ts';
import { triangle } from '../../images/resampling.ts';
import { planPublishedTiles } from '../../tiling/latent-tiles.ts';
import { publishedVaeTiles } from '../../vae/published-vae-tiles.ts';
import type { Mode } from './mode.ts';

/** The state of the script, and the library with which it ran. */
type Version = '2023' | '2024';

/** Options of the script. */
interface PublishedOptions {
  /** Longest side of a tile, in latents. */
  tileSize: number;
  overlap?: number;
  /** Shortest side of the picture that steers. */
  processSize?: number;
  /** `added_noise_level`. */
  noiseLevel?: number;
  version?: Version;
}

/**
 * `test_pasd.py` (github.com/yangxy/PASD), step by step: its result without a check, in 8 bits. `2023`: of October 2023 with diffusers
 * 0.21; `2024`: of September 2024 with diffusers 0.29, where a level that is not called counts as the last that is.
 */
export function publishedMode(options: PublishedOptions): Mode {
  const { tileSize, overlap = 8, processSize = 768, noiseLevel = 400, version = '2023' } = options;
  return {
    condition: (photo) => publishedCondition(photo, processSize),
    latentTiles: (height, width) => planPublishedTiles({ height, width, size: tileSize, overlap }),
    // It sees zeros around every tile.
    stemMargin: 0,
    end: version === '2023' ? 'timestep-0' : 'clean',
    secondNoise: (timesteps) => {
      return version === '2023' || timesteps.includes(noiseLevel) ? noiseLevel : timesteps.at(-1)!;
    },
    // Only that of 2023 works with tiles.
    vaeTiling: publishedVaeTiles(undefined, { normsTwice: true }),
    bitDepth: 8,
    checkDecoded: () => {},
  };
}

/** The result gets the colors of the picture that steered, and is resampled to four times the size of the photo. */
export function publishedCondition(photo: Pixels, processSize: number): Condition {
  const image = preparePhoto(photo, processSize);
  return {
    image,
    finish: (result) => {
      const fixed = fixColorsAsPublished(result, image, 'wavelet');
      return pillow13Resize(fixed, photo.width * MODEL_SCALE, photo.height * MODEL_SCALE);
    },
  };
}

/** The enlargement; where it is small, another one to the shortest side; then, by resampling, sides that are multiples of 8. */
function preparePhoto(photo: Pixels, processSize: number): Pixels {
  let prepared = pillow13Resize(photo, photo.width * MODEL_SCALE, photo.height * MODEL_SCALE);
  const shortest = Math.min(prepared.width, prepared.height);
  if (shortest < processSize) {
    const grown = (side: number) => Math.trunc((processSize * side) / shortest);
    prepared = pillow13Resize(prepared, grown(prepared.width), grown(prepared.height), triangle);
  }
  const down = (side: number) => Math.floor(side / LATENT_PIXELS) * LATENT_PIXELS;
  return pillow13Resize(prepared, down(prepared.width), down(prepared.height));
}
