import type { Description, Parameters, Progress } from '../../shared/job.ts';
import { LATENT_PIXELS, latentOverlap, MODEL_SCALE } from '../../shared/tile-plan.ts';
import { resizeForTagger } from '../images/bilinear-resize.ts';
import type { Pixels } from '../images/image.ts';
import type { SeesrModels } from '../models/seesr.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { MAX_PROMPT_TOKENS } from '../tokenizer/clip-tokenizer.ts';
import type { Checkpoints } from './checkpoint.ts';
import { fixColors } from './color-fix.ts';
import { type Condition, compatCondition, exactCondition } from './condition.ts';
import { keyedNoise, type NoiseSource, sampleLatent, type Tiling } from './denoise.ts';
import { fromTensor, toGray, toRgb8, toTensor } from './image-tensor.ts';
import { drawLatent } from './live-preview.ts';
import type { Method } from './method.ts';
import { assemblePrompt, chooseTags, findTags } from './prompt.ts';
import { checkDecoded } from './quality-gate.ts';
import { decodeTiled } from './tiled-vae.ts';

/** Parameters of the API, complete; without guidance where the model knows none. */
export type DiffusionParameters = Required<
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

export interface DiffusionOptions {
  parameters: DiffusionParameters;
  condition: Condition;
  tiling: Tiling;
  noise: NoiseSource;
  /** `share`: how much of all the work is done, 0..1. */
  onProgress: (at: Omit<Progress, 'percent'>, share: number) => void;
  /** Looked at between tiles and steps; an abort makes the call reject with its reason. */
  signal: AbortSignal;
  /** Called after each step with the clean latent that the network expects, scaled. */
  onStep?: (step: number, expectClean: () => Tensor) => void;
  checkpoints?: Checkpoints;
}

/** Share of the work that is done when a stage begins; a step costs far more than anything else. */
const BEGINS = { describe: 0, encode_latent: 0.02, denoise: 0.05, decode_latent: 0.93 } as const;

/** Latents by which tiles overlap in the published script. */
const COMPAT_OVERLAP = 4;

/** The method of SeeSR (Wu et al. 2024), for photos of any kind. */
export function diffusion(models: SeesrModels): Method {
  return async (pixels, { parameters, compat, tileSize, onProgress, signal, show, checkpoints }) => {
    const photo = toRgb8(pixels);
    const inKind = (picture: Pixels) => (pixels.channels === 1 ? toGray(picture) : picture);
    const seen = { width: latentSide(photo.width), height: latentSide(photo.height) };
    const { picture, description } = await restoreByDiffusion(photo, models, {
      parameters: { negative_prompt: '', guidance_scale: 1, ...parameters } as DiffusionParameters,
      condition: compat ? compatCondition(photo) : exactCondition(photo),
      tiling: { size: tileSize, overlap: compat ? COMPAT_OVERLAP : latentOverlap(tileSize), compat },
      noise: keyedNoise(parameters.seed),
      onProgress,
      signal,
      onStep: (step, expectClean) => show?.(() => inKind(drawLatent(expectClean(), seen)), step),
      ...(checkpoints && { checkpoints }),
    });
    return { pixels: inKind(picture), description };
  };
}

/** Latents along a side of the photo made four times as large. */
function latentSide(photoSide: number): number {
  return Math.ceil((photoSide * MODEL_SCALE) / LATENT_PIXELS);
}

/**
 * SeeSR from the photo to the picture four times as large (Wu et al. 2024, figure 2). `photo`: 8-bit RGB.
 * Throws AppError `output-rejected` when the networks give numbers that are not finite, or a picture of one color.
 */
export async function restoreByDiffusion(
  photo: Pixels,
  models: SeesrModels,
  { parameters, condition, tiling, noise, onProgress, signal, onStep, checkpoints }: DiffusionOptions,
): Promise<{ picture: Pixels; description: Description }> {
  // What is in the photo: tags for the prompt, and a vector for each of its regions.
  onProgress({ stage: 'describe' }, BEGINS.describe);
  const { imageEmbeds, description } = await describePhoto(photo, models, parameters, { antialias: !tiling.compat });
  const { prompt } = description;
  const prompts = parameters.guidance_scale > 1 ? [parameters.negative_prompt, prompt] : [prompt];
  const text = await models.textEncoder.encode(prompts.map((words) => models.tokenizer.encode(words)));

  // From the noised photo to a clean latent, steered by the photo, by the words and by the regions.
  const latent = await sampleLatent(models, {
    parameters,
    condition: toTensor(condition.image),
    text,
    imageEmbeds,
    tiling,
    noise,
    signal,
    onEncode: (tile, tiles) => {
      onProgress({ stage: 'encode_latent', tile, tiles }, between('encode_latent', 'denoise', tile / tiles));
    },
    onTile: ({ step, steps, tile, tiles }) => {
      const share = (step - 1 + tile / tiles) / steps;
      onProgress({ stage: 'denoise', step, steps, tile, tiles }, between('denoise', 'decode_latent', share));
    },
    ...(checkpoints && { checkpoints }),
    ...(onStep && { onStep: (_latent, step, expectClean) => onStep(step, expectClean) }),
  });

  // Back to pixels, with the colors of the photo.
  const unscaled = { data: latent.data.map((value) => value / models.scalingFactor), shape: latent.shape };
  const decoded = await decodeTiled(models.vae, unscaled, {
    compat: tiling.compat,
    signal,
    onTile: (tile, tiles) => {
      const share = BEGINS.decode_latent + (1 - BEGINS.decode_latent) * (tile / tiles);
      onProgress({ stage: 'decode_latent', tile, tiles }, share);
    },
  });
  const restored = fromTensor(decoded);
  if (!tiling.compat) checkDecoded(restored, condition.image);
  const picture = condition.finish(restored, (result, reference) =>
    fixColors(result, reference, parameters.color_fix, tiling.compat ? 'down' : 'nearest'),
  );
  return { picture, description };
}

type Words = Pick<Parameters, 'tags' | 'prompt' | 'added_prompt'>;

/**
 * What is in the photo, `imageEmbeds` a vector for each of its regions [1, 145, 512], and the prompt that comes of it.
 */
export async function describePhoto(
  photo: Pixels,
  models: Pick<SeesrModels, 'tagger' | 'taggerImageSize' | 'tags' | 'tokenizer'>,
  { tags: asked = { mode: 'auto', list: [] }, prompt: words = '', added_prompt = '' }: Words,
  { antialias = true } = {},
): Promise<{ imageEmbeds: Tensor; description: Description }> {
  const seen = resizeForTagger(photo, { size: models.taggerImageSize, antialias });
  const { imageEmbeds, logits } = await models.tagger.describe(seen);
  const tags = findTags(logits, models.tags);
  const prompt = assemblePrompt(chooseTags(tags, asked), words, added_prompt);
  const truncated = models.tokenizer.countTokens(prompt) > MAX_PROMPT_TOKENS;
  return { imageEmbeds, description: { prompt, truncated, tags } };
}

function between(stage: keyof typeof BEGINS, next: keyof typeof BEGINS, share: number): number {
  return BEGINS[stage] + (BEGINS[next] - BEGINS[stage]) * share;
}
