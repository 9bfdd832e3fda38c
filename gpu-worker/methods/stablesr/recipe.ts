import { LATENT_PIXELS } from '../../../shared/methods/tile-plan.ts';
import { encodeCondition } from '../../diffusion/encode-condition.ts';
import type { LatentRun } from '../../diffusion/latent-restorer.ts';
import { sampleLatent, type Watch } from '../../diffusion/sample-latent.ts';
import { tellStages } from '../../diffusion/tell-stages.ts';
import { createNoiseSchedule } from '../../schedulers/noise-schedule.ts';
import { createSpacedDdpm } from '../../schedulers/spaced-ddpm.ts';
import { startLatent } from '../../schedulers/start-latent.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import { cutTile, type LatentTile } from '../../tiling/latent-tiles.ts';
import { exactVaeTiles } from '../../vae/exact-vae-tiles.ts';
import type { StablesrModels } from './models.ts';

/** Parameters of the API, complete. */
export interface StablesrParameters {
  steps: number;
  start_point: 'lr' | 'noise';
  start_steps: number;
  /** Weight of the photo's features in the decoder; 0.5 in the paper. */
  conditioning_scale: number;
}

export interface PictureRun extends Pick<LatentRun, 'noise' | 'onProgress' | 'signal' | 'savepoints'> {
  parameters: StablesrParameters;
  /** Sides in latents. */
  latentTiles(height: number, width: number): LatentTile[];
  onStep?: Watch['onStep'];
}

/** Share of the work that is done when a stage begins: of 200 steps, which are nearly all of it. */
const BEGINS = { encode_latent: 0, denoise: 0.01, decode_latent: 0.97 } as const;

/**
 * StableSR from the picture that steers to the one that the networks make of it (Wang et al. 2023, figure 2).
 * `picture` [1, 3, 8h, 8w], −1..1 → the same, not clamped.
 */
export async function restorePicture(models: StablesrModels, picture: Tensor, run: PictureRun): Promise<Tensor> {
  const { parameters, noise, onProgress, signal } = run;
  const progress = tellStages(onProgress, BEGINS);
  const photo = await photoLatent(models, picture, { noise, signal, onTile: progress.ofTiles('encode_latent') });
  const { onStep, ...sampling } = run;
  const watch = { signal, onTile: progress.ofSteps('denoise'), ...(onStep && { onStep }) };
  const sampled = await denoise(models, photo, { ...sampling, watch });
  const unscaled = { data: sampled.data.map((value) => value / models.scalingFactor), shape: sampled.shape };
  // The features of the photo are larger than all that went before: they are made only now.
  progress.begin('decode_latent');
  const features = await models.wrapped.features(picture, { signal });
  const onTile = progress.ofTiles('decode_latent');
  return await models.wrapped.decode(unscaled, features, parameters.conditioning_scale, { signal, onTile });
}

interface EncodeOptions extends Pick<PictureRun, 'noise' | 'signal'> {
  onTile?: (tile: number, tiles: number) => void;
}

/** A sample of the photo's latent distribution, scaled: it steers every step. `picture` as above → [1, 4, h, w]. */
export async function photoLatent(
  models: Pick<StablesrModels, 'vae' | 'scalingFactor'>,
  picture: Tensor,
  { noise, ...options }: EncodeOptions,
): Promise<Tensor> {
  // It takes values of 0..1.
  const condition = { data: picture.data.map((value) => value / 2 + 0.5), shape: picture.shape };
  const data = await encodeCondition(models, condition, noise, { tiling: exactVaeTiles(), ...options });
  const [height, width] = picture.shape.slice(2).map((side) => side / LATENT_PIXELS) as [number, number];
  return { data, shape: [1, data.length / height / width, height, width] };
}

interface DenoiseOptions extends Pick<PictureRun, 'parameters' | 'latentTiles' | 'noise' | 'savepoints'> {
  watch: Watch;
}

/** From noise, or the noised photo, to a clean latent, scaled. `photo` [1, 4, h, w]: its latent, scaled. */
export async function denoise(
  models: Pick<StablesrModels, 'denoiser' | 'schedule' | 'predicts'>,
  photo: Tensor,
  { parameters, latentTiles, noise, savepoints, watch }: DenoiseOptions,
): Promise<Tensor> {
  const { steps, start_steps: startSteps, start_point: startPoint } = parameters;
  const schedule = createNoiseSchedule(models.schedule);
  const spread = { steps, startSteps, spacing: 'even', offset: 0 } as const;
  const scheduler = createSpacedDdpm(schedule, { ...spread, predicts: models.predicts });
  const { timesteps } = scheduler;
  const { shape } = photo;
  const count = elementCount(shape);
  const startAtPhoto = () =>
    startLatent(schedule, {
      ...(startPoint === 'lr' && { encoded: photo.data }),
      noise: noise('start', 0, count),
      timestep: timesteps[0]!,
    });
  const tiles = latentTiles(shape[2]!, shape[3]!);
  const parts = new Map(tiles.map((tile) => [tile, tiles.length === 1 ? photo : cutTile(photo, tile)]));
  const times = await models.denoiser.times(timesteps);
  return await sampleLatent({
    shape,
    scheduler,
    start: savepoints?.from ?? { step: 0, state: { sample: startAtPhoto() } },
    tiles,
    predict: (tile, latent, step) => models.denoiser.predict({ latent, photo: parts.get(tile)!, time: times[step]! }),
    drawNoise: (index) => noise('step', index, count),
    ...(savepoints && { save: savepoints.save }),
    watch,
  });
}
