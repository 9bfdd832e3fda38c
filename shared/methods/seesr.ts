import { latentDiffusion } from './latent-diffusion.ts';
import type { ModelParameters } from './parameters.ts';

/** SeeSR (Wu et al. 2024), on Stable Diffusion 2. */

const DEFAULTS: ModelParameters = {
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

const COMMON = {
  // SeeSR was published with 96; its network was trained on 64.
  tileSizes: [96, 64, 48] as const,
  problems: () => [],
  seesTags: true,
  price: 100,
  // At tiles of 64² to 96².
  pace: 16,
};

export const seesr = latentDiffusion({
  ...COMMON,
  id: 'seesr',
  name: 'Most natural (SeeSR)',
  description:
    'Recognizes the content of the photo and paints the lost detail: the most natural result, and the most that is invented. Takes long without a graphics card.',
  license: 'Apache-2.0; weights: CreativeML Open RAIL++-M and others, see its LICENSES.md',
  defaults: {
    ...DEFAULTS,
    negative_prompt: 'dotted, noise, blur, lowres, smooth',
    steps: 50,
    guidance_scale: 5.5,
  },
  timesteps: { trained: 1000, spacing: 'leading', offset: 1 },
});

export const seesrTurbo = latentDiffusion({
  ...COMMON,
  id: 'seesr-turbo',
  name: 'Natural, quicker (SeeSR turbo)',
  description: 'The same in two steps instead of fifty: much quicker, and softer.',
  license: 'Apache-2.0; weights: Stability AI and others, see its LICENSES.md',
  defaults: { ...DEFAULTS, steps: 2 },
  timesteps: { trained: 1000, spacing: 'trailing', offset: 1 },
});

export type SeesrId = (typeof seesr | typeof seesrTurbo)['id'];
