import { pixelLatent } from './pixel-latent.ts';

/** ResShift (Yue et al. 2023): the latent goes from that of the photo to the clean one in a few steps. */

/** Windows of 8 positions at an eighth of the resolution: sides are multiples of it, in pixels. */
export const RESSHIFT_UNIT = 64;

const COMMON = {
  license: 'S-Lab License 1.0 (non-commercial)',
  tileSizes: [256, 192, 128, 64] as const,
  unit: RESSHIFT_UNIT,
};

/** Steps of each, as it was trained. */
export const RESSHIFT_STEPS = { resshift: 15, 'resshift-fast': 4 } as const;
export type ResshiftId = keyof typeof RESSHIFT_STEPS;

export const resshift = pixelLatent({
  ...COMMON,
  id: 'resshift',
  name: 'Redrawn (ResShift)',
  description: 'Starts from the photo itself and redraws its lost detail in fifteen steps; small letters suffer.',
  steps: () => RESSHIFT_STEPS.resshift,
  // By its arithmetic, from a call of 64² measured: a tile of 256² takes 9 s a call, and 186 s for its way into the latent
  // and back, which the calls share.
  price: 300,
  pace: 22,
});

export const resshiftFast = pixelLatent({
  ...COMMON,
  id: 'resshift-fast',
  name: 'Redrawn, quicker (ResShift)',
  description: 'The same in four steps: quicker, about as good.',
  steps: () => RESSHIFT_STEPS['resshift-fast'],
  price: 800,
  pace: 56,
});
