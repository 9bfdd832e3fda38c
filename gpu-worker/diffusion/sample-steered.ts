import type { Savepoints } from '../restore/restorer.ts';
import { guideByPrompts } from '../schedulers/guidance.ts';
import type { NoiseSource } from '../tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../tensor/tensor.ts';
import type { LatentTile } from '../tiling/latent-tiles.ts';
import type { Denoiser } from './denoiser.ts';
import { type Sampling, sampleLatent } from './sample-latent.ts';

interface Steered extends Pick<Sampling, 'shape' | 'scheduler' | 'start' | 'tiles' | 'watch'> {
  /** See `Denoiser.prepare`; under guidance of two texts. */
  contexts: Readonly<Record<string, Tensor>>;
  /** What ControlNet sees of each tile, [1, C, h, w]. */
  stems: ReadonlyMap<LatentTile, Tensor>;
  conditioningScale: number;
  /** 1: none. Of each timestep, where it is not the same for all. */
  guidance: number | ((timestep: number) => number);
  noise: NoiseSource;
  savepoints?: Savepoints | undefined;
}

/** `sampleLatent` with a UNet that a ControlNet steers. */
export async function sampleSteered(
  denoiser: Denoiser,
  { contexts, stems, conditioningScale, guidance, noise, savepoints, ...sampling }: Steered,
): Promise<Tensor> {
  const { shape, scheduler } = sampling;
  // The part that stays the same from step to step.
  const conditioning = await denoiser.prepare({ contexts, timesteps: scheduler.timesteps });
  return await sampleLatent({
    ...sampling,
    predict: (tile, latent, step) =>
      denoiser.predict({ latent, conditioning, step, stem: stems.get(tile)!, conditioningScale }),
    ...(guidance !== 1 && {
      guide: (predictions, index) => {
        const scale = typeof guidance === 'number' ? guidance : guidance(scheduler.timesteps[index]!);
        return guideByPrompts(predictions, scale);
      },
    }),
    drawNoise: (index) => noise('step', index, elementCount(shape)),
    ...(savepoints && { save: savepoints.save }),
  });
}
