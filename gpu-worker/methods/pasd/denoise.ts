import { LATENT_PIXELS } from '../../../shared/methods/tile-plan.ts';
import { encodeCondition } from '../../diffusion/encode-condition.ts';
import type { Watch } from '../../diffusion/sample-latent.ts';
import { sampleSteered } from '../../diffusion/sample-steered.ts';
import { computeStems } from '../../diffusion/stems.ts';
import type { Savepoints } from '../../restore/restorer.ts';
import { addNoise, createNoiseSchedule } from '../../schedulers/noise-schedule.ts';
import { startLatent } from '../../schedulers/start-latent.ts';
import { createUniPc } from '../../schedulers/unipc.ts';
import type { NoiseSource } from '../../tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import type { Mode } from './mode.ts';
import type { PasdModels } from './models.ts';
import type { PasdParameters } from './parameters.ts';

interface StartOptions {
  parameters: Pick<PasdParameters, 'steps' | 'start_point' | 'start_steps'>;
  mode: Pick<Mode, 'end' | 'secondNoise' | 'vaeTiling'>;
  /** The picture that steers, [1, 3, 8h, 8w], RGB 0..1. */
  condition: Tensor;
  noise: NoiseSource;
  onEncode?: (tile: number, tiles: number) => void;
  signal: AbortSignal;
}

type StartModels = Pick<PasdModels, 'vae' | 'schedule' | 'latentChannels' | 'scalingFactor'>;

/** Noise alone, or the noised photo as the published script has it: noised to the first timestep, and then once more. */
export async function startingLatent(
  models: StartModels,
  { parameters, mode, condition, noise, onEncode, signal }: StartOptions,
): Promise<Float32Array> {
  const count = elementCount(latentShape(models, condition));
  const normals = noise('start', 0, count);
  if (parameters.start_point === 'noise') return normals;
  const { schedule, timesteps } = samplerOf(models, parameters, mode);
  const options = { tiling: mode.vaeTiling, signal, ...(onEncode && { onTile: onEncode }) };
  const encoded = await encodeCondition(models, condition, noise, options);
  const noised = startLatent(schedule, { encoded, noise: normals, timestep: timesteps[0]! });
  const second = mode.secondNoise?.(timesteps);
  return second === undefined ? noised : addNoise(schedule, noised, noise('again', 0, count), second);
}

interface DenoiseOptions extends Omit<StartOptions, 'signal'> {
  parameters: PasdParameters;
  mode: Pick<Mode, 'end' | 'secondNoise' | 'vaeTiling' | 'latentTiles' | 'stemMargin'>;
  /** [batch, 77, d]: the positive prompt, under guidance the negative one before it. */
  text: Tensor;
  watch: Watch;
  savepoints?: Savepoints;
}

/** From noise, or the noised photo, to a clean latent [1, 4, h, w], scaled. */
export async function denoise(
  models: StartModels & Pick<PasdModels, 'denoiser'>,
  { text, watch, savepoints, ...options }: DenoiseOptions,
): Promise<Tensor> {
  const { parameters, mode, condition } = options;
  const { guidance_scale, conditioning_scale: conditioningScale } = parameters;
  const { signal } = watch;
  const { scheduler } = samplerOf(models, parameters, mode);
  const shape = latentShape(models, condition);
  const startAnew = async () => ({ sample: await startingLatent(models, { ...options, signal }) });
  const start = savepoints?.from ?? { step: 0, state: await startAnew() };

  const tiles = mode.latentTiles(shape[2], shape[3]);
  const stems = await computeStems(models.denoiser, condition, tiles, {
    scale: LATENT_PIXELS,
    margin: mode.stemMargin,
    signal,
  });
  return await sampleSteered(models.denoiser, {
    shape,
    scheduler,
    start,
    contexts: { text },
    tiles,
    stems,
    conditioningScale,
    guidance: guidance_scale,
    noise: options.noise,
    savepoints,
    watch,
  });
}

function samplerOf(
  models: Pick<PasdModels, 'schedule'>,
  { steps, start_steps: startSteps }: StartOptions['parameters'],
  { end }: Pick<Mode, 'end'>,
) {
  const schedule = createNoiseSchedule(models.schedule);
  const scheduler = createUniPc(schedule, { steps, startSteps, end });
  return { schedule, scheduler, timesteps: scheduler.timesteps };
}

function latentShape({ latentChannels }: Pick<PasdModels, 'latentChannels'>, { shape }: Tensor) {
  const [, , height, width] = shape as [number, number, number, number];
  return [1, latentChannels, height / LATENT_PIXELS, width / LATENT_PIXELS] as const;
}
