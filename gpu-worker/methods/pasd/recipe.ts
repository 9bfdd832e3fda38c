import { type Description, NOTHING_SEEN } from '../../../shared/job.ts';
import { type LatentRun, latentRestorer } from '../../diffusion/latent-restorer.ts';
import { tellStages } from '../../diffusion/tell-stages.ts';
import type { Pixels } from '../../images/image.ts';
import { fromTensor, toTensor } from '../../images/image-tensor.ts';
import type { Restorer } from '../../restore/restorer.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { MAX_PROMPT_TOKENS } from '../../tokenizer/clip-tokenizer.ts';
import { decodeTiled } from '../../vae/tiled-vae.ts';
import { denoise } from './denoise.ts';
import { exactMode } from './exact-mode.ts';
import type { Mode } from './mode.ts';
import type { PasdModels } from './models.ts';
import type { PasdParameters } from './parameters.ts';
import { assemblePrompt } from './prompt.ts';
import { publishedMode } from './published-mode.ts';

interface PasdOptions
  extends Pick<LatentRun, 'noise' | 'onProgress' | 'signal' | 'savepoints'>,
    Partial<Pick<LatentRun, 'onStep'>> {
  parameters: PasdParameters;
  mode: Mode;
}

/** Share of the work that is done when a stage begins; a step costs far more than anything else. */
const BEGINS = { encode_latent: 0, denoise: 0.03, decode_latent: 0.9 } as const;

/** The restorer of PASD (Yang et al. 2024). */
export function pasdRestorer(models: PasdModels): Restorer {
  return latentRestorer((photo, { parameters, published, tileSize, ...run }) =>
    restoreByPasd(photo, models, {
      ...run,
      parameters: parameters as PasdParameters,
      mode: published ? publishedMode({ tileSize }) : exactMode({ tileSize, bitDepth: parameters.bit_depth }),
    }),
  );
}

/**
 * PASD from the photo to the picture four times as large (Yang et al. 2024, figure 2). `photo`: 8-bit RGB.
 * Throws AppError `output-rejected` when the networks give numbers that are not finite, and as the mode does.
 */
export async function restoreByPasd(
  photo: Pixels,
  models: PasdModels,
  { parameters, mode, noise, onProgress, signal, onStep, savepoints }: PasdOptions,
): Promise<{ picture: Pixels; description: Description }> {
  const tell = tellStages(onProgress, BEGINS);
  const prompt = assemblePrompt(parameters.prompt, parameters.added_prompt);
  const truncated = models.tokenizer.countTokens(prompt) > MAX_PROMPT_TOKENS;

  // From the noised photo to a clean latent, steered by the photo and by the words.
  const condition = mode.condition(photo);
  const latent = await denoise(models, {
    parameters,
    mode,
    condition: toTensor(condition.image),
    text: await encodePrompts(models, prompt, parameters),
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
  const picture = condition.finish(restored, parameters.color_fix);
  return { picture, description: { ...NOTHING_SEEN, prompt, truncated } };
}

/** [1 or 2, 77, d]: of the prompt; under guidance that of the negative one before it. */
export async function encodePrompts(
  { textEncoder, tokenizer }: Pick<PasdModels, 'textEncoder' | 'tokenizer'>,
  prompt: string,
  { guidance_scale, negative_prompt }: Pick<PasdParameters, 'guidance_scale' | 'negative_prompt'>,
): Promise<Tensor> {
  const prompts = guidance_scale > 1 ? [negative_prompt, prompt] : [prompt];
  return await textEncoder.encode(prompts.map((words) => tokenizer.encode(words)));
}
