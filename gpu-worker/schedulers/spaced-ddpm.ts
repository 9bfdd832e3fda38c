import { spaceTimesteps, type TimestepsOptions } from '../../shared/methods/timesteps.ts';
import { ddpmStep } from './ddpm.ts';
import { combine, type NoiseSchedule } from './noise-schedule.ts';
import { cleanFactors, type Predicts } from './predicts.ts';
import type { Scheduler } from './scheduler.ts';

interface SpacedDdpmOptions extends TimestepsOptions {
  /** Default: the noise. */
  predicts?: Predicts;
}

/**
 * Ancestral sampling of the process that has only the called timesteps (Nichol & Dhariwal 2021, section 4, "respacing"):
 * each step ends at the next call, the last one at the clean latent, which gets no noise. Its variance is the smaller one
 * of Ho et al. 2020, nothing is clipped.
 */
export function createSpacedDdpm(
  schedule: NoiseSchedule,
  { predicts = 'noise', ...options }: SpacedDdpmOptions,
): Scheduler {
  const timesteps = spaceTimesteps(schedule.trainSteps, options);
  const cleanAt = (index: number) => cleanFactors(schedule.alphaBar(timesteps[index]!), predicts);
  return {
    timesteps,
    step({ state, index, prediction, drawNoise }) {
      const isLast = index === timesteps.length - 1;
      const step = ddpmStep(schedule, timesteps[index]!, isLast ? -1 : timesteps[index + 1]!);
      const clean = cleanAt(index);
      // The expected clean latent is put in, so that nothing is rounded in between.
      const ofSample = step.sample + step.clean * clean.ofSample;
      const mean = combine(ofSample, state.sample, step.clean * clean.ofPrediction, prediction);
      return { sample: isLast ? mean : combine(1, mean, step.noise, drawNoise()) };
    },
    expectClean({ sample, index, prediction }) {
      const { ofSample, ofPrediction } = cleanAt(index);
      return combine(ofSample, sample, ofPrediction, prediction);
    },
  };
}
