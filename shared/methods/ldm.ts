import { pixelLatent, pixelLatentSide } from './pixel-latent.ts';
import { uniformStepProblems } from './timestep-problems.ts';
import { spaceTimesteps } from './timesteps.ts';

/** LDM-SR (Rombach et al. 2022, section 4.4), trained on photos that were made poor as BSRGAN does it. */

const TRAINED = 1000;
/** The network halves the latent three times. */
const UNIT = 8;
/** It was trained on no smaller ones. */
const LEAST_SIDE = 64;

/** The side of the latent for a side of the photo. */
export function ldmSide(photoSide: number): number {
  return pixelLatentSide(photoSide, UNIT, LEAST_SIDE);
}

export const ldm = pixelLatent({
  id: 'ldm',
  name: 'Latent diffusion (LDM-SR)',
  description:
    'Paints fine texture in a hundred small steps; knows no words and names nothing. Takes long without a graphics card.',
  license: 'MIT; weights: published beside the code, without a license of their own',
  defaults: { steps: 100 },
  problems: ({ steps }) => (steps === undefined ? [] : uniformStepProblems(TRAINED, steps)),
  unit: UNIT,
  least: LEAST_SIDE,
  steps: ({ steps = 1 }) => spaceTimesteps(TRAINED, { steps, spacing: 'uniform', offset: 1 }).length,
  // Published with 128.
  tileSizes: [128, 96, 64],
  price: 13,
  // At tiles of 128², with its share of the decoder.
  pace: 2,
});
