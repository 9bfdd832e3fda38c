import { spaceTimesteps, type TimestepsOptions } from '../../shared/methods/timesteps.ts';
import { combine, type NoiseSchedule } from './noise-schedule.ts';
import type { Scheduler } from './scheduler.ts';

/** Below it the variance is taken for rounding. */
const LEAST_VARIANCE = 1e-20;

interface DdpmStep {
  /** Factors of the expected clean latent and of the sample in the mean of the next sample. */
  clean: number;
  sample: number;
  /** Standard deviation of the noise that is added. */
  noise: number;
}

/**
 * Ancestral sampling on some of the training's timesteps (Ho et al. 2020, eq. 6 and 7), its variance the smaller of the
 * paper's two ("fixed small"), nothing clipped; the prediction is the noise in the sample. As in diffusers, a step ends
 * ⌊trainSteps / steps⌋ below, wherever the next call is.
 */
export function createDdpm(schedule: NoiseSchedule, options: TimestepsOptions): Scheduler {
  const timesteps = spaceTimesteps(schedule.trainSteps, options);
  const stride = Math.floor(schedule.trainSteps / options.steps);
  return {
    timesteps,
    step({ state, index, prediction, drawNoise }) {
      const timestep = timesteps[index]!;
      const { clean, sample, noise } = ddpmStep(schedule, timestep, timestep - stride);
      const alphaBar = schedule.alphaBar(timestep);
      // The expected clean latent is (x − √(1−ᾱ)·ε) / √ᾱ; put in, so that nothing is rounded in between.
      const ofClean = clean / Math.sqrt(alphaBar);
      const mean = combine(sample + ofClean, state.sample, -ofClean * Math.sqrt(1 - alphaBar), prediction);
      return { sample: timestep > 0 ? combine(1, mean, noise, drawNoise()) : mean };
    },
    /** (x − √(1−ᾱ)·ε) / √ᾱ (eq. 4 for x_0). */
    expectClean({ sample, index, prediction }) {
      const alphaBar = schedule.alphaBar(timesteps[index]!);
      return combine(1 / Math.sqrt(alphaBar), sample, -Math.sqrt(1 / alphaBar - 1), prediction);
    },
  };
}

/** Coefficients of the step from `timestep` to `previous`, which is below 0 for the clean latent. */
export function ddpmStep(schedule: NoiseSchedule, timestep: number, previous: number): DdpmStep {
  const alphaBar = schedule.alphaBar(timestep);
  const previousAlphaBar = schedule.alphaBar(previous);
  const alpha = alphaBar / previousAlphaBar;
  return {
    clean: (Math.sqrt(previousAlphaBar) * (1 - alpha)) / (1 - alphaBar),
    sample: (Math.sqrt(alpha) * (1 - previousAlphaBar)) / (1 - alphaBar),
    noise: Math.sqrt(Math.max(((1 - alpha) * (1 - previousAlphaBar)) / (1 - alphaBar), LEAST_VARIANCE)),
  };
}
