import { latentDiffusion } from './latent-diffusion.ts';
import type { ModelParameters } from './parameters.ts';
import { uniformStepProblems } from './timestep-problems.ts';

/** DiffBIR (Lin et al. 2023): cleaned by a network, then painted by Stable Diffusion 2.1. Each of its versions is a model. */

const TRAINED = 1000;

const DEFAULTS = {
  fidelity: 0,
  conditioning_scale: 1,
  start_point: 'noise',
  start_steps: 999,
  color_fix: 'wavelet',
} satisfies ModelParameters;

const COMMON = {
  license: 'Apache-2.0; weights: CreativeML Open RAIL++-M and others, see its LICENSES.md',
  timesteps: { trained: TRAINED, spacing: 'even', offset: 0 },
  tileSizes: [96, 64, 48] as const,
  seesTags: false,
  price: 60,
  // At tiles of 64² to 96²: 5.6 seconds were measured at 64², where a call has 1.07 TFLOP, and at 96² it has 2.9.
  pace: 10,
} as const;

export const diffbir = latentDiffusion({
  ...COMMON,
  id: 'diffbir',
  name: 'Cleaned and repainted (DiffBIR)',
  description:
    'First takes away noise, blur and JPEG marks of any kind, then paints the lost detail: good for badly damaged photos; text and small faces may be lost. Takes long without a graphics card.',
  defaults: { ...DEFAULTS, steps: 50 },
  problems: () => [],
});

/** All that the words and the samplers of the later versions need. */
const LATER = {
  ...COMMON,
  problems: ({ sampler, steps }: ModelParameters) =>
    sampler === 'ddim' && steps !== undefined ? uniformStepProblems(TRAINED, steps) : [],
};

/** Its second version, of the paper in ECCV 2024. */
export const diffbirV2 = latentDiffusion({
  ...LATER,
  id: 'diffbir-v2',
  name: 'Cleaned and repainted, by words (DiffBIR 2)',
  description:
    'Like DiffBIR, but cleans the small photo while it enlarges it, and words tell what to paint and what to leave out: sharper, and more is invented. Takes long without a graphics card.',
  defaults: {
    ...DEFAULTS,
    prompt: '',
    negative_prompt: 'low quality, blurry, low-resolution, noisy, unsharp, weird textures',
    steps: 50,
    sampler: 'ddpm',
    guidance_scale: 4,
    guidance_course: 'constant',
    condition_noise: 0,
  },
});

/** Version 2.1, whose Stable Diffusion was trained on to start at nothing but noise. */
export const diffbirV21 = latentDiffusion({
  ...LATER,
  id: 'diffbir-v21',
  name: 'Cleaned and repainted in few steps (DiffBIR 2.1)',
  description:
    'Like DiffBIR 2 in ten steps instead of fifty; flat regions stay cleaner. It does not recognize the content by itself, so words about it help. Takes long without a graphics card.',
  defaults: {
    ...DEFAULTS,
    prompt: '',
    added_prompt:
      'Cinematic, High Contrast, highly detailed, taken using a Canon EOS R camera, hyper detailed photo - realistic maximum detail, 32k, Color Grading, ultra HD, extreme meticulous detailing, skin pore detailing, hyper sharpness, perfect without deformations.',
    negative_prompt:
      'painting, oil painting, illustration, drawing, art, sketch, oil painting, cartoon, CG Style, 3D render, unreal engine, blurring, dirty, messy, worst quality, low quality, frames, watermark, signature, jpeg artifacts, deformed, lowres, over-smooth.',
    steps: 10,
    sampler: 'dpm++3m-sde',
    guidance_scale: 6,
    guidance_course: 'constant',
    condition_noise: 0,
  },
});

export type DiffbirId = (typeof diffbir | typeof diffbirV2 | typeof diffbirV21)['id'];
