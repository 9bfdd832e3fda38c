import { spaceTimesteps, type TimestepsOptions } from '../../shared/methods/timesteps.ts';
import { combine, type NoiseSchedule } from './noise-schedule.ts';
import { cleanFactors, type Predicts } from './predicts.ts';
import type { Scheduler } from './scheduler.ts';

/** `steps`: that are asked for; as many are called as fit, see `uniform` of `Spacing`. */
interface DdimOptions extends Pick<TimestepsOptions, 'steps' | 'startSteps'> {
  /** Share of the noise that ancestral sampling would add: 0 for none. */
  eta: number;
  /** Default: the noise. */
  predicts?: Predicts;
}

/** ᾱ of a call and of the one after it, and the deviation of the noise that is added between them. */
interface DdimStep {
  alphaBar: number;
  previous: number;
  sigma: number;
}

/**
 * DDIM (Song et al. 2020, equations 12 and 16) as in github.com/CompVis/latent-diffusion: timesteps 1 above the multiples
 * of their distance. The last step goes to timestep 0, not to the clean latent, and adds its noise as all others do.
 */
export function createDdim(schedule: NoiseSchedule, { eta, predicts = 'noise', ...given }: DdimOptions): Scheduler {
  const timesteps = spaceTimesteps(schedule.trainSteps, { ...given, spacing: 'uniform', offset: 1 });
  const expectClean: Scheduler['expectClean'] = ({ sample, index, prediction }) => {
    const { ofSample, ofPrediction } = cleanFactors(schedule.alphaBar(timesteps[index]!), predicts);
    return combine(ofSample, sample, ofPrediction, prediction);
  };
  return {
    timesteps,
    expectClean,
    step({ state, index, prediction, drawNoise }) {
      const step = ddimStep(schedule, { timesteps, index, eta });
      const { ofSample, ofPrediction } = stepFactors(step, predicts);
      const sample = combine(ofSample, state.sample, ofPrediction, prediction);
      return { sample: step.sigma > 0 ? combine(1, sample, step.sigma, drawNoise()) : sample };
    },
  };
}

/** Of sample and prediction: the expected clean latent and noise are put in, so that nothing is rounded in between. */
function stepFactors({ alphaBar, previous, sigma }: DdimStep, predicts: Predicts) {
  const left = Math.sqrt(1 - previous - sigma ** 2);
  if (predicts === 'velocity') {
    const [alpha, noise] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
    const clean = Math.sqrt(previous);
    return { ofSample: clean * alpha + left * noise, ofPrediction: left * alpha - clean * noise };
  }
  const ofSample = Math.sqrt(previous / alphaBar);
  return { ofSample, ofPrediction: left - ofSample * Math.sqrt(1 - alphaBar) };
}

export function ddimStep(
  schedule: NoiseSchedule,
  { timesteps, index, eta }: { timesteps: readonly number[]; index: number; eta: number },
): DdimStep {
  const alphaBar = schedule.alphaBar(timesteps[index]!);
  const previous = schedule.alphaBar(timesteps[index + 1] ?? 0);
  const sigma = eta * Math.sqrt(((1 - previous) / (1 - alphaBar)) * (1 - alphaBar / previous));
  return { alphaBar, previous, sigma };
}
