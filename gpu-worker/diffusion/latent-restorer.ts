import type { Description } from '../../shared/job.ts';
import type { Size } from '../../shared/methods/method.ts';
import { LATENT_PIXELS, MODEL_SCALE } from '../../shared/methods/tile-plan.ts';
import { bandsOf } from '../images/bands.ts';
import { toGray } from '../images/gray.ts';
import type { Pixels } from '../images/image.ts';
import { toRgb8 } from '../images/image-tensor.ts';
import type { Restorer, RestorerOptions } from '../restore/restorer.ts';
import { keyedNoise, type NoiseSource } from '../tensor/keyed-normals.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { drawLatent } from './draw-latent.ts';

/** All that a recipe is told beside its photo. */
export interface LatentRun extends Omit<RestorerOptions, 'show'> {
  noise: NoiseSource;
  /** Called after each step with the clean latent that the network expects, scaled. */
  onStep: (step: number, expectClean: () => Tensor) => void;
}

interface Restored {
  /** Exactly four times as large as the photo, RGB. */
  picture: Pixels;
  description?: Description;
}

interface PreviewOptions {
  /** A pixel a latent, see `drawLatent`; `photo`: 8-bit RGB. */
  draw(latent: Tensor, size: Size, photo: Pixels): Pixels;
  /** Sides of the picture over those of the latent. */
  latentPixels: number;
}

/** A restorer for photos of any kind, from a recipe for 8-bit RGB; by default its latents are those of Stable Diffusion. */
export function latentRestorer(
  recipe: (photo: Pixels, run: LatentRun) => Promise<Restored>,
  { draw, latentPixels }: PreviewOptions = { draw: drawLatent, latentPixels: LATENT_PIXELS },
): Restorer {
  return async (pixels, { show, ...options }) => {
    const photo = toRgb8(pixels);
    const inKind = (picture: Pixels) => (pixels.channels === 1 ? toGray(picture) : picture);
    const latentSide = (side: number) => Math.ceil((side * MODEL_SCALE) / latentPixels);
    const seen = { width: latentSide(photo.width), height: latentSide(photo.height) };
    const { picture, ...described } = await recipe(photo, {
      ...options,
      noise: keyedNoise(options.parameters.seed),
      onStep: (step, expectClean) => show?.(() => inKind(draw(expectClean(), seen, photo)), step),
    });
    return { bands: bandsOf(inKind(picture), pixels, options.signal), ...described };
  };
}
