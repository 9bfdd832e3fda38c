import { MODEL_SCALE } from '../../../shared/methods/tile-plan.ts';
import { drawFitted } from '../../diffusion/draw-fitted.ts';
import { latentRestorer } from '../../diffusion/latent-restorer.ts';
import { sampleLatent, type Watch } from '../../diffusion/sample-latent.ts';
import { tellStages } from '../../diffusion/tell-stages.ts';
import { cropPixels } from '../../images/crop.ts';
import type { Pixels } from '../../images/image.ts';
import type { Restorer, RestorerOptions, Savepoints } from '../../restore/restorer.ts';
import { createDdim } from '../../schedulers/ddim.ts';
import type { NoiseSource } from '../../tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import { cutTile } from '../../tiling/latent-tiles.ts';
import { exactMode } from './exact-mode.ts';
import type { Mode } from './mode.ts';
import type { LdmModels } from './models.ts';
import { publishedMode } from './published-mode.ts';

interface LdmOptions extends Pick<RestorerOptions, 'onProgress' | 'signal' | 'savepoints'> {
  steps: number;
  /** See `createDdim`. Default: all of the noise, as the script has it. */
  eta?: number;
  mode: Mode;
  noise: NoiseSource;
  /** After each step, which counts from 1: the clean latent that the network expects. */
  onStep?: (step: number, expectClean: () => Tensor) => void;
}

/** Share of the work that is done when a stage begins; of a hundred steps, to which the decoder adds a tenth. */
const BEGINS = { denoise: 0, decode_latent: 0.9 } as const;

/** The restorer of LDM-SR (Rombach et al. 2022), for photos of any kind. */
export function ldmRestorer(models: LdmModels): Restorer {
  return latentRestorer(
    async (photo, { parameters, published, tileSize, ...run }) => {
      const { picture } = await restoreByLdm(photo, models, {
        ...run,
        steps: parameters.steps!,
        mode: published ? publishedMode() : exactMode({ tileSize, bitDepth: parameters.bit_depth }),
      });
      return { picture };
    },
    { draw: (latent, _size, photo) => drawFitted(latent, photo), latentPixels: MODEL_SCALE },
  );
}

/**
 * LDM-SR from the photo to the picture four times as large (Rombach et al. 2022, section 4.4). `photo`: 8-bit RGB. Also
 * gives the latent that was decoded. Throws AppError `output-rejected` when the networks give numbers that are not finite,
 * and as the mode does.
 */
export async function restoreByLdm(
  photo: Pixels,
  models: LdmModels,
  { steps, eta = 1, mode, noise, onProgress, signal, onStep, savepoints }: LdmOptions,
): Promise<{ picture: Pixels; latent: Tensor }> {
  const tell = tellStages(onProgress, BEGINS);
  // From noise to a clean latent, the photo beside it in every step.
  const latent = await denoise(models, mode.condition(photo), {
    steps,
    eta,
    mode,
    noise,
    watch: {
      signal,
      onTile: tell.ofSteps('denoise'),
      ...(onStep && { onStep: (_latent, step, expectClean) => onStep(step, expectClean) }),
    },
    ...(savepoints && { savepoints }),
  });
  // By way of the codebook to pixels.
  const decoded = await mode.decode(models.decoder, latent, { signal, onTile: tell.ofTiles('decode_latent') });
  const size = { width: MODEL_SCALE * photo.width, height: MODEL_SCALE * photo.height };
  const picture = cropPixels(mode.toPixels(decoded), { x: 0, y: 0, ...size });
  mode.checkDecoded(picture, photo);
  return { picture, latent };
}

interface DenoiseOptions {
  steps: number;
  eta: number;
  mode: Pick<Mode, 'latentTiles'>;
  noise: NoiseSource;
  watch: Watch;
  savepoints?: Savepoints;
}

/** From noise to a clean latent; `condition` [1, 3, h, w], −1..1, as the latent. */
export async function denoise(
  models: Pick<LdmModels, 'schedule' | 'channels' | 'timeRows' | 'predict'>,
  condition: Tensor,
  { steps, eta, mode, noise, watch, savepoints }: DenoiseOptions,
): Promise<Tensor> {
  const [, , height, width] = condition.shape as [number, number, number, number];
  const shape = [1, models.channels, height, width];
  const count = elementCount(shape);
  const scheduler = createDdim(models.schedule, { steps, eta });
  const times = await models.timeRows(scheduler.timesteps);
  return await sampleLatent({
    shape,
    scheduler,
    start: savepoints?.from ?? { step: 0, state: { sample: noise('start', 0, count) } },
    tiles: mode.latentTiles(height, width),
    predict: (tile, latent, step) => models.predict({ latent, photo: cutTile(condition, tile), time: times[step]! }),
    drawNoise: (step) => noise('step', step, count),
    ...(savepoints && { save: savepoints.save }),
    watch,
  });
}
