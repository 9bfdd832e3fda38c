import { latentDiffusion } from './latent-diffusion.ts';

/** DiffBIR (Lin et al. 2023), its first version: cleaned by a network, then painted by Stable Diffusion 2.1. */
export const diffbir = latentDiffusion({
  id: 'diffbir',
  name: 'Cleaned and repainted (DiffBIR)',
  description:
    'First takes away noise, blur and JPEG marks of any kind, then paints the lost detail: good for badly damaged photos; text and small faces may be lost. Takes long without a graphics card.',
  license: 'Apache-2.0; weights: CreativeML Open RAIL++-M and others, see its LICENSES.md',
  defaults: {
    fidelity: 0,
    steps: 50,
    conditioning_scale: 1,
    start_point: 'noise',
    start_steps: 999,
    color_fix: 'wavelet',
  },
  timesteps: { trained: 1000, spacing: 'even', offset: 0 },
  tileSizes: [96, 64, 48],
  problems: () => [],
  seesTags: false,
  price: 60,
  // At tiles of 64² to 96²: 5.6 seconds were measured at 64², where a call has 1.07 TFLOP, and at 96² it has 2.9.
  pace: 10,
});
