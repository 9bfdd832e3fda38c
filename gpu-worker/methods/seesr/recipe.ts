import type { Description, Parameters } from '../../../shared/job.ts';
import { LATENT_PIXELS } from '../../../shared/methods/tile-plan.ts';
import { encodeCondition } from '../../diffusion/encode-condition.ts';
import { type LatentRun, latentRestorer } from '../../diffusion/latent-restorer.ts';
import type { Watch } from '../../diffusion/sample-latent.ts';
import { sampleSteered } from '../../diffusion/sample-steered.ts';
import { computeStems } from '../../diffusion/stems.ts';
import { tellStages } from '../../diffusion/tell-stages.ts';
import { resizeForTagger } from '../../images/bilinear-resize.ts';
import type { Pixels } from '../../images/image.ts';
import { fromTensor, toTensor } from '../../images/image-tensor.ts';
import type { Restorer, Savepoints } from '../../restore/restorer.ts';
import { createDdpm } from '../../schedulers/ddpm.ts';
import { createDpmSolver } from '../../schedulers/dpm-solver.ts';
import { createNoiseSchedule } from '../../schedulers/noise-schedule.ts';
import { startLatent } from '../../schedulers/start-latent.ts';
import type { NoiseSource } from '../../tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../../tensor/tensor.ts';
import { MAX_PROMPT_TOKENS } from '../../tokenizer/clip-tokenizer.ts';
import { decodeTiled } from '../../vae/tiled-vae.ts';
import { exactMode } from './exact-mode.ts';
import type { Mode } from './mode.ts';
import type { SeesrModels } from './models.ts';
import { assemblePrompt, chooseTags, findTags } from './prompt.ts';
import { publishedMode } from './published-mode.ts';

/** Parameters of the API, complete; without guidance where the model knows none. */
export type SeesrParameters = Required<
  Pick<
    Parameters,
    | 'prompt'
    | 'added_prompt'
    | 'negative_prompt'
    | 'tags'
    | 'steps'
    | 'guidance_scale'
    | 'conditioning_scale'
    | 'start_point'
    | 'start_steps'
    | 'scheduler'
    | 'color_fix'
  >
>;

interface SeesrOptions
  extends Pick<LatentRun, 'noise' | 'onProgress' | 'signal' | 'savepoints'>,
    Partial<Pick<LatentRun, 'onStep'>> {
  parameters: SeesrParameters;
  mode: Mode;
}

/** Share of the work that is done when a stage begins; a step costs far more than anything else. */
const BEGINS = { describe: 0, encode_latent: 0.02, denoise: 0.05, decode_latent: 0.93 } as const;

/** The restorer of SeeSR (Wu et al. 2024). */
export function diffusion(models: SeesrModels): Restorer {
  return latentRestorer((photo, { parameters, published, tileSize, ...run }) =>
    restoreBySeesr(photo, models, {
      ...run,
      parameters: { negative_prompt: '', guidance_scale: 1, ...parameters } as SeesrParameters,
      mode: published ? publishedMode({ tileSize }) : exactMode({ tileSize, bitDepth: parameters.bit_depth }),
    }),
  );
}

/**
 * SeeSR from the photo to the picture four times as large (Wu et al. 2024, figure 2). `photo`: 8-bit RGB.
 * Throws AppError `output-rejected` when the networks give numbers that are not finite, and as the mode does.
 */
export async function restoreBySeesr(
  photo: Pixels,
  models: SeesrModels,
  { parameters, mode, noise, onProgress, signal, onStep, savepoints }: SeesrOptions,
): Promise<{ picture: Pixels; description: Description }> {
  const tell = tellStages(onProgress, BEGINS);

  // The contents of the photo: tags for the prompt, and a vector for each of its regions.
  tell.begin('describe');
  const { imageEmbeds, description } = await describePhoto(photo, models, parameters, mode);
  const { prompt } = description;
  const prompts = parameters.guidance_scale > 1 ? [parameters.negative_prompt, prompt] : [prompt];
  const text = await models.textEncoder.encode(prompts.map((words) => models.tokenizer.encode(words)));

  // From the noised photo to a clean latent, steered by the photo, by the words and by the regions.
  const condition = mode.condition(photo);
  const latent = await denoise(models, {
    parameters,
    mode,
    condition: toTensor(condition.image),
    text,
    imageEmbeds,
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
  const unscaled = { data: latent.data.map((value) => value / models.scalingFactor), shape: latent.shape };
  const decoded = await decodeTiled(models.vae, unscaled, {
    tiling: mode.vaeTiling,
    signal,
    onTile: tell.ofTiles('decode_latent'),
  });
  const restored = fromTensor(decoded, mode.bitDepth);
  mode.checkDecoded(restored, condition.image);
  return { picture: condition.finish(restored, parameters.color_fix), description };
}

export interface DenoiseOptions {
  parameters: SeesrParameters;
  mode: Pick<Mode, 'latentTiles' | 'stemMargin' | 'startTimestep' | 'vaeTiling'>;
  /** The picture that steers, [1, 3, 8h, 8w], RGB 0..1. */
  condition: Tensor;
  /** [batch, 77, d]: the positive prompt, under guidance the negative one before it. */
  text: Tensor;
  /** [1, 145, 512]. */
  imageEmbeds: Tensor;
  noise: NoiseSource;
  onEncode?: (tile: number, tiles: number) => void;
  watch: Watch;
  savepoints?: Savepoints;
}

/** From noise, or the noised photo, to a clean latent [1, 4, h, w], scaled. */
export async function denoise(
  models: Pick<SeesrModels, 'denoiser' | 'vae' | 'schedule' | 'latentChannels' | 'scalingFactor'>,
  { parameters, mode, condition, text, imageEmbeds, noise, onEncode, watch, savepoints }: DenoiseOptions,
): Promise<Tensor> {
  const { start_steps: startSteps, steps, guidance_scale, conditioning_scale: conditioningScale } = parameters;
  const { spacing, offset, ...noising } = models.schedule;
  const schedule = createNoiseSchedule(noising);
  const createScheduler = parameters.scheduler === 'ddpm' ? createDdpm : createDpmSolver;
  const scheduler = createScheduler(schedule, { steps, startSteps, spacing, offset });
  const { timesteps } = scheduler;
  const { signal } = watch;
  const [height, width] = condition.shape.slice(2).map((side) => side / LATENT_PIXELS) as [number, number];
  const shape = [1, models.latentChannels, height, width];
  const count = elementCount(shape);

  const startAtPhoto = async () => {
    const options = { tiling: mode.vaeTiling, signal, ...(onEncode && { onTile: onEncode }) };
    const encoded = parameters.start_point === 'lr' && (await encodeCondition(models, condition, noise, options));
    const timestep = mode.startTimestep(timesteps, startSteps);
    return startLatent(schedule, { ...(encoded && { encoded }), noise: noise('start', 0, count), timestep });
  };
  const start = savepoints?.from ?? { step: 0, state: { sample: await startAtPhoto() } };

  const tiles = mode.latentTiles(height, width);
  const stems = await computeStems(models.denoiser, condition, tiles, {
    scale: LATENT_PIXELS,
    margin: mode.stemMargin,
    signal,
  });
  return await sampleSteered(models.denoiser, {
    shape,
    scheduler,
    start,
    contexts: { text, image_embeds: imageEmbeds },
    tiles,
    stems,
    conditioningScale,
    guidance: guidance_scale,
    noise,
    savepoints,
    watch,
  });
}

type Words = Pick<Parameters, 'tags' | 'prompt' | 'added_prompt'>;

/**
 * The contents of the photo, `imageEmbeds` a vector for each of its regions [1, 145, 512], and the prompt from them.
 */
export async function describePhoto(
  photo: Pixels,
  models: Pick<SeesrModels, 'tagger' | 'taggerImageSize' | 'tags' | 'tokenizer'>,
  { tags: asked = { mode: 'auto', list: [] }, prompt: words = '', added_prompt = '' }: Words,
  { antialias }: Pick<Mode, 'antialias'> = { antialias: true },
): Promise<{ imageEmbeds: Tensor; description: Description }> {
  const seen = resizeForTagger(photo, { size: models.taggerImageSize, antialias });
  const { imageEmbeds, logits } = await models.tagger.describe(seen);
  const tags = findTags(logits, models.tags);
  const prompt = assemblePrompt(chooseTags(tags, asked), words, added_prompt);
  const truncated = models.tokenizer.countTokens(prompt) > MAX_PROMPT_TOKENS;
  return { imageEmbeds, description: { prompt, truncated, tags } };
}
