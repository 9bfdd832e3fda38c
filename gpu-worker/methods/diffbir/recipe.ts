import type { Description, Parameters } from '../../../shared/job.ts';
import { LATENT_PIXELS } from '../../../shared/methods/tile-plan.ts';
import { type LatentRun, latentRestorer } from '../../diffusion/latent-restorer.ts';
import type { Watch } from '../../diffusion/sample-latent.ts';
import { sampleSteered } from '../../diffusion/sample-steered.ts';
import { tellStages } from '../../diffusion/tell-stages.ts';
import type { Pixels } from '../../images/image.ts';
import type { Restorer, Savepoints } from '../../restore/restorer.ts';
import { risingGuidance } from '../../schedulers/guidance.ts';
import { addNoise } from '../../schedulers/noise-schedule.ts';
import { startLatent } from '../../schedulers/start-latent.ts';
import type { NoiseSource } from '../../tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import { exactMode } from './exact-mode.ts';
import type { Mode } from './mode.ts';
import { type DiffbirModels, SCALING_FACTOR } from './models.ts';
import { publishedMode } from './published-mode.ts';
import { laterPublishedMode } from './published-mode-v2.ts';
import { createSampler } from './samplers.ts';
import { SCHEDULE, scheduleOf } from './versions.ts';
import { encodeWords } from './words.ts';

/** Parameters of the API, complete: those of all versions, and those of the later ones. */
type DiffbirParameters = Required<
  Pick<Parameters, 'steps' | 'conditioning_scale' | 'start_point' | 'start_steps' | 'color_fix'>
> &
  Partial<
    Pick<
      Parameters,
      | 'prompt'
      | 'added_prompt'
      | 'negative_prompt'
      | 'sampler'
      | 'guidance_scale'
      | 'guidance_course'
      | 'condition_noise'
    >
  >;

interface DiffbirOptions
  extends Pick<LatentRun, 'noise' | 'onProgress' | 'signal' | 'savepoints'>,
    Partial<Pick<LatentRun, 'onStep'>> {
  parameters: DiffbirParameters;
  mode: Mode;
}

/** Share of the work that is done when a stage begins; a step costs far more than anything else. */
const BEGINS = { upscale: 0, encode_latent: 0.01, denoise: 0.03, decode_latent: 0.95 } as const;

export function diffbirRestorer(models: DiffbirModels): Restorer {
  return latentRestorer((photo, { parameters, published, tileSize, ...run }) =>
    restoreByDiffbir(photo, models, {
      ...run,
      parameters: parameters as DiffbirParameters,
      mode: published ? scriptOf(models) : exactMode({ tileSize, bitDepth: parameters.bit_depth }),
    }),
  );
}

/** The first version pads the photo, the later ones the cleaned picture. */
function scriptOf({ tokenizer }: DiffbirModels): Mode {
  return tokenizer ? laterPublishedMode() : publishedMode();
}

/**
 * DiffBIR from the photo to the picture (Lin et al. 2023, figure 2). `photo`: 8-bit RGB. Throws AppError
 * `output-rejected` when the networks give numbers that are not finite, and as the mode does.
 */
export async function restoreByDiffbir(
  photo: Pixels,
  models: DiffbirModels,
  { parameters, mode, noise, onProgress, signal, onStep, savepoints }: DiffbirOptions,
): Promise<{ picture: Pixels; description?: Description }> {
  const tell = tellStages(onProgress, BEGINS);

  // First everything is taken out of the photo that should not be there, and its detail is lost with it.
  const { condition, finish } = await mode.clean(photo, models.firstStage, { onTile: tell.ofTiles('upscale'), signal });

  // Then detail comes back, from noise to a clean latent that is steered by the cleaned picture, and by words.
  const { text, ...described } = await encodeWords(models, parameters);
  const latent = await denoise(models, {
    parameters,
    mode,
    condition,
    text,
    noise,
    onEncode: tell.ofTiles('encode_latent'),
    watch: {
      signal,
      onTile: tell.ofSteps('denoise'),
      ...(onStep && { onStep: (_latent, step, expectClean) => onStep(step, expectClean) }),
    },
    ...(savepoints && { savepoints }),
  });

  // Back to pixels.
  const decoded = await mode.decode(models.vae, unscaled(latent), {
    condition,
    colorFix: parameters.color_fix,
    signal,
    onTile: tell.ofTiles('decode_latent'),
  });
  return { picture: finish(decoded, parameters.color_fix), ...described };
}

export function unscaled({ data, shape }: Tensor): Tensor {
  return { data: data.map((value) => value / SCALING_FACTOR), shape };
}

interface DenoiseOptions {
  parameters: Omit<DiffbirParameters, 'color_fix'>;
  mode: Pick<Mode, 'startTimestep' | 'latentTiles' | 'see'>;
  /** The cleaned picture, [1, 3, 8h, 8w], RGB about 0..1. */
  condition: Tensor;
  /** See `encodeWords`. */
  text: Tensor;
  noise: NoiseSource;
  onEncode?: (tile: number, tiles: number) => void;
  watch: Watch;
  savepoints?: Savepoints;
}

/** From noise, as published, or from the noised cleaned picture, to a clean latent [1, 4, h, w], scaled. */
export async function denoise(
  models: Pick<DiffbirModels, 'version' | 'denoiser' | 'vae' | 'latentChannels'>,
  { parameters, mode, condition, text, noise, onEncode, watch, savepoints }: DenoiseOptions,
): Promise<Tensor> {
  const { steps, start_point, start_steps, condition_noise, conditioning_scale: conditioningScale } = parameters;
  const schedule = scheduleOf(models.version);
  const { scheduler, begins } = createSampler(schedule, parameters.sampler ?? 'ddpm', {
    steps,
    predicts: models.version.predicts,
    ...(start_point === 'lr' && { startSteps: start_steps }),
  });
  const [height, width] = condition.shape.slice(2).map((side) => side / LATENT_PIXELS) as [number, number];
  const shape = [1, models.latentChannels, height, width];
  const count = elementCount(shape);

  const { signal } = watch;
  const tiles = mode.latentTiles(height, width);
  const noised = ({ data, shape }: Tensor): Tensor => {
    return { data: addNoise(schedule, data as Float32Array, noise('augment', 0, count), condition_noise!), shape };
  };
  const seen = await mode.see(models, condition, tiles, {
    signal,
    ...(condition_noise && { alter: noised }),
    ...(onEncode && { onTile: onEncode }),
  });

  const encoded = start_point === 'lr' && seen.hint?.data;
  const timestep = mode.startTimestep(begins, start_steps);
  const startAt = { ...(encoded && { encoded }), noise: noise('start', 0, count), timestep };
  const start = savepoints?.from ?? { step: 0, state: { sample: startLatent(schedule, startAt) } };

  return await sampleSteered(models.denoiser, {
    shape,
    scheduler,
    start,
    contexts: { text },
    tiles,
    stems: seen.stems,
    conditioningScale,
    guidance: guidanceOf(parameters),
    noise,
    savepoints,
    watch,
  });
}

function guidanceOf({ guidance_scale: scale = 1, guidance_course }: DenoiseOptions['parameters']) {
  if (scale === 1 || guidance_course !== 'rising') return scale;
  return (timestep: number) => risingGuidance(scale, timestep, SCHEDULE.trainSteps);
}
