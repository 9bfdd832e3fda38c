import { latentDiffusion } from './latent-diffusion.ts';

/** PASD (Yang et al. 2024), on Stable Diffusion 1.5. */
export const pasd = latentDiffusion({
  id: 'pasd',
  name: 'Guided by every pixel (PASD)',
  description:
    'Paints the lost detail with its eye on every pixel of the photo. It does not recognize the content by itself, so words about it help. Takes long without a graphics card.',
  license: 'Apache-2.0; weights: CreativeML OpenRAIL-M and others, see its LICENSES.md',
  defaults: {
    fidelity: 0,
    prompt: '',
    added_prompt: 'clean, high-resolution, 8k',
    negative_prompt: 'blurry, dotted, noise, raster lines, unclear, lowres, over-smoothed',
    steps: 20,
    guidance_scale: 7.5,
    conditioning_scale: 1,
    start_point: 'lr',
    start_steps: 999,
    color_fix: 'wavelet',
  },
  timesteps: { trained: 1000, spacing: 'linspace', offset: 0 },
  // It was trained on 64; its pixel attention needs memory by the square of the area.
  tileSizes: [96, 64, 48],
  problems: () => [],
  seesTags: false,
  price: 100,
  // At tiles of 64² to 96².
  pace: 16,
});
