import { spaceTimesteps, type TimestepsOptions } from '../../shared/methods/timesteps.ts';
import { ddpmStep } from './ddpm.ts';
import { combine, type NoiseSchedule } from './noise-schedule.ts';
import type { Scheduler } from './scheduler.ts';

interface SpacedDdpmOptions extends TimestepsOptions {
  /** The prediction of the network: the noise in the sample (default), or the velocity (Salimans & Ho 2022, appendix D). */
  predicts?: Predicts;
}

export type Predicts = 'noise' | 'velocity';

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

/** Of sample and prediction in the clean latent that they stand for. */
function cleanFactors(alphaBar: number, predicts: Predicts): { ofSample: number; ofPrediction: number } {
  return predicts === 'noise'
    ? { ofSample: 1 / Math.sqrt(alphaBar), ofPrediction: -Math.sqrt(1 / alphaBar - 1) }
    : { ofSample: Math.sqrt(alphaBar), ofPrediction: -Math.sqrt(1 - alphaBar) };
}
