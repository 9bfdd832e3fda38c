import { latentDiffusion } from './latent-diffusion.ts';

/** StableSR (Wang et al. 2023), on Stable Diffusion 2.1. */
const sampled = latentDiffusion({
  id: 'stablesr',
  name: 'Detailed (StableSR)',
  description:
    'Paints the lost detail in many steps, led by the shapes in the photo and by no words. Takes very long without a graphics card.',
  license: 'S-Lab License 1.0 (non-commercial); weights contain Stable Diffusion 2.1 (CreativeML Open RAIL++-M)',
  defaults: {
    fidelity: 0,
    steps: 200,
    // The weight of the photo's features in the decoder.
    conditioning_scale: 0.5,
    start_point: 'lr',
    start_steps: 999,
    color_fix: 'adain',
  },
  problems: () => [],
  seesTags: false,
  // It was trained and published with the first.
  tileSizes: [64, 48, 32],
  timesteps: { trained: 1000, spacing: 'even', offset: 0 },
  price: 40,
  // At tiles of 64².
  pace: 6,
});

/** The authors' own dial is the weight of the features, which goes from the published one up to 1; it costs nothing. */
export const stablesr: typeof sampled = {
  ...sampled,
  fidelity: {
    ...sampled.fidelity,
    steer: (fidelity, asked) => ({
      ...sampled.fidelity.steer(fidelity, asked),
      conditioning_scale: Math.round(500 * (1 + fidelity)) / 1000,
    }),
  },
};
