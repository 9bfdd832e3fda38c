import { spaceTimesteps } from '../../shared/methods/timesteps.ts';
import { combine, type NoiseSchedule } from './noise-schedule.ts';
import type { Scheduler } from './scheduler.ts';

interface DdimOptions {
  /** That are asked for; as many are called as fit, see `uniform` of `Spacing`. */
  steps: number;
  /** Share of the noise that ancestral sampling would add: 0 for none. */
  eta: number;
}

/** ᾱ of a call and of the one after it, and the deviation of the noise that is added between them. */
interface DdimStep {
  alphaBar: number;
  previous: number;
  sigma: number;
}

/**
 * DDIM (Song et al. 2020, equations 12 and 16) as in github.com/CompVis/latent-diffusion: timesteps 1 above the multiples
 * of their distance. The last step goes to timestep 0, not to the clean latent, and adds its noise as all others do; the
 * prediction is the noise in the sample.
 */
export function createDdim(schedule: NoiseSchedule, { steps, eta }: DdimOptions): Scheduler {
  const timesteps = spaceTimesteps(schedule.trainSteps, { steps, spacing: 'uniform', offset: 1 });
  const expectClean: Scheduler['expectClean'] = ({ sample, index, prediction }) => {
    const alphaBar = schedule.alphaBar(timesteps[index]!);
    return combine(1 / Math.sqrt(alphaBar), sample, -Math.sqrt(1 / alphaBar - 1), prediction);
  };
  return {
    timesteps,
    expectClean,
    step({ state, index, prediction, drawNoise }) {
      const { alphaBar, previous, sigma } = ddimStep(schedule, { timesteps, index, eta });
      // The expected clean latent, (x − √(1−ᾱ)·ε) / √ᾱ, put in: nothing is rounded in between.
      const ofSample = Math.sqrt(previous / alphaBar);
      const ofNoise = Math.sqrt(1 - previous - sigma ** 2) - ofSample * Math.sqrt(1 - alphaBar);
      const sample = combine(ofSample, state.sample, ofNoise, prediction);
      return { sample: sigma > 0 ? combine(1, sample, sigma, drawNoise()) : sample };
    },
  };
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
