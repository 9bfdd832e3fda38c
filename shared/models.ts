import { z } from 'zod';
import { AppError } from './error.ts';

const text = z.string().max(1000);

/** Parameters that only some models have. Every one of them changes the picture. */
export const MODEL_PARAMETERS = {
  fidelity: z
    .number()
    .min(0)
    .max(1)
    .describe('0: as the model restores; 1: as true to the photo as it can be. More is never dearer, often faster.'),
  denoise: z.number().min(0).max(1).describe('0 keeps grain and noise, 1 takes away what it can.'),
  prompt: text.describe('What the photo shows, in your words; joins the tags that are found in it.'),
  added_prompt: text.describe('How the result should look; stands after tags and prompt.'),
  negative_prompt: text.describe('What the result should be steered away from.'),
  tags: z
    .strictObject({
      mode: z.enum(['auto', 'append', 'replace']),
      list: z.array(z.string().trim().min(1).max(100)).max(100).default([]),
    })
    .describe('auto: those that are found in the photo; append: yours as well; replace: only yours.'),
  steps: z.int().min(1).max(200).describe('Denoising steps.'),
  guidance_scale: z.number().min(1).max(20).describe('How strongly the prompt steers; 1: not at all.'),
  conditioning_scale: z.number().min(0).max(2).describe('How strongly the photo steers.'),
  start_point: z.enum(['lr', 'noise']).describe('Start from the noised photo or from nothing but noise.'),
  start_steps: z
    .int()
    .min(1)
    .max(999)
    .describe('Of start_point lr: skip the timesteps above. Lower is closer to the photo, and faster.'),
  scheduler: z.enum(['ddpm', 'dpm-solver++']).describe('dpm-solver++ needs about half the steps.'),
  color_fix: z.enum(['wavelet', 'adain', 'none']).describe('Takes the colors from the photo.'),
};

export type ModelParameters = { [name in keyof typeof MODEL_PARAMETERS]?: z.output<(typeof MODEL_PARAMETERS)[name]> };

/** Those that are built from the user's files, and run by the diffusion recipe. */
export const DIFFUSION_MODELS = ['seesr', 'seesr-turbo'] as const;
export type DiffusionModelId = (typeof DIFFUSION_MODELS)[number];
/** Those whose weights ship with the repository, networks that make a picture larger in one go. */
export const SHIPPED_MODELS = ['real-esrgan', 'real-esrgan-fast'] as const;
export type SuperResolutionModelId = (typeof SHIPPED_MODELS)[number];
export const MODEL_IDS = [...DIFFUSION_MODELS, ...SHIPPED_MODELS] as const;
export type ModelId = (typeof MODEL_IDS)[number];

interface Model {
  name: string;
  description: string;
  license: string;
  /** Its parameters beside those that all have, and what they are when not given. */
  defaults: ModelParameters;
}

const DIFFUSION_DEFAULTS: ModelParameters = {
  fidelity: 0,
  prompt: '',
  added_prompt: 'clean, high-resolution, 8k',
  tags: { mode: 'auto', list: [] },
  conditioning_scale: 1,
  start_point: 'lr',
  start_steps: 999,
  scheduler: 'ddpm',
  color_fix: 'wavelet',
};

/** What the service can run. Which of them an installation has is configuration (`installedModels`). */
export const MODELS: Record<ModelId, Model> = {
  seesr: {
    name: 'Most natural (SeeSR)',
    description:
      'Looks at what is in the photo and paints the detail that was lost: the most natural result, and the most that is invented. Takes long without a graphics card.',
    license: 'Apache-2.0; weights: CreativeML Open RAIL++-M and others, see its LICENSES.md',
    defaults: {
      ...DIFFUSION_DEFAULTS,
      negative_prompt: 'dotted, noise, blur, lowres, smooth',
      steps: 50,
      guidance_scale: 5.5,
    },
  },
  'seesr-turbo': {
    name: 'Natural, quicker (SeeSR turbo)',
    description: 'The same in two steps instead of fifty: much quicker, and softer.',
    license: 'Apache-2.0; weights: Stability AI and others, see its LICENSES.md',
    defaults: { ...DIFFUSION_DEFAULTS, steps: 2 },
  },
  'real-esrgan': {
    name: 'Sharp (Real-ESRGAN)',
    description: 'Makes edges and textures crisp. Takes minutes; very small faces can come out too smooth.',
    license: 'BSD-3-Clause',
    defaults: { fidelity: 0 },
  },
  'real-esrgan-fast': {
    name: 'Gentle, quick (Real-ESRGAN)',
    description: 'About ten times quicker and more careful. `denoise` sets how much noise and grain is taken away.',
    license: 'BSD-3-Clause',
    defaults: { fidelity: 0, denoise: 0.5 },
  },
};

/** The default is the first of these that is installed. */
const PREFERENCE: readonly ModelId[] = ['seesr', 'real-esrgan', 'real-esrgan-fast', 'seesr-turbo'];

export function isDiffusionModel(id: ModelId): id is DiffusionModelId {
  return DIFFUSION_MODELS.some((model) => model === id);
}

/** Throws `model-unavailable` when nothing is installed. */
export function defaultModel(installed: readonly ModelId[]): ModelId {
  const best = PREFERENCE.find((id) => installed.includes(id));
  if (!best) throw new AppError('model-unavailable', 'No model is installed.');
  return best;
}
