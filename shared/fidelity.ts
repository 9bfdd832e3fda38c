import type { ModelId } from './models.ts';

/**
 * The fidelity dial: 0 as the model restores, 1 as true to the photo as it can be. Between them, of a diffusion model:
 *
 * | fidelity | start_steps | guidance_scale | share of the enlarged photo |
 * | -------- | ----------- | -------------- | --------------------------- |
 * | 0        | 999         | 5.5            | 0                           |
 * | 0.25     | 799         | 4.375          | 0.125                       |
 * | 0.5      | 599         | 3.25           | 0.25                        |
 * | 0.75     | 399         | 2.125          | 0.375                       |
 * | 1        | 199         | 1: none        | 0.5                         |
 *
 * Fewer timesteps, and no second prompt at 1, cost less as well. A parameter that was asked for stays as it is.
 * `conditioning_scale` stays 1, where ControlNet was trained. Super-resolution networks only know the last column, there
 * from 0 to 1; at 1 the network has no part in the result and is not run.
 */

const MOST_START_STEPS = 999;
const LEAST_START_STEPS = 199;
const MOST_GUIDANCE = 5.5;
const MOST_DIFFUSION_SHARE = 0.5;

/** What the dial makes of the start of sampling. `least`: a lower one would leave no step. */
export function faithfulStartSteps(fidelity: number, least = 1): number {
  return Math.max(least, Math.round(MOST_START_STEPS - fidelity * (MOST_START_STEPS - LEAST_START_STEPS)));
}

export function faithfulGuidance(fidelity: number): number {
  return Math.round((MOST_GUIDANCE - fidelity * (MOST_GUIDANCE - 1)) * 1000) / 1000;
}

/** How much of the result is the photo enlarged without anything invented, 0..1. At 1 no network runs. */
export function faithfulShare(model: ModelId, fidelity: number): number {
  const isDiffusion = model === 'seesr' || model === 'seesr-turbo';
  return isDiffusion ? MOST_DIFFUSION_SHARE * fidelity : fidelity;
}
