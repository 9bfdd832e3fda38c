import { combine, type NoiseSchedule } from './noise-schedule.ts';
import type { Predicts } from './predicts.ts';
import type { Scheduler } from './scheduler.ts';

interface DpmSolverSdeOptions {
  /** Calls of the network. */
  steps: number;
  predicts: Predicts;
  /** The latent starts at this timestep, and all steps lie below. Default: the last one of the training. */
  startSteps?: number;
}

/** Share of the picture's variance in the start, which is all noise. */
const LEAST_ALPHA_BAR = 1e-8;

/**
 * DPM-Solver++(3M) SDE: the diffusion SDE in the expected clean latent, with two steps of memory, as k-diffusion has it
 * (github.com/crowsonkb/k-diffusion, `sample_dpmpp_3m_sde`, η = 1). Timesteps are evenly spaced from the start
 * down, the last step ends at the clean latent. Noise levels σ = √((1−ᾱ)/ᾱ) (Karras et al. 2022); samples are kept at unit
 * variance, x / √(1+σ²), which is what the network sees.
 */
export function createDpmSolverSde(schedule: NoiseSchedule, options: DpmSolverSdeOptions): Scheduler {
  const { steps, predicts, startSteps: start = schedule.trainSteps - 1 } = options;
  const timesteps = Array.from({ length: steps }, (_, index) => Math.trunc(start - (index * start) / steps));
  const sigmas = timesteps.map((timestep) => {
    const alphaBar = timestep === schedule.trainSteps - 1 ? LEAST_ALPHA_BAR : schedule.alphaBar(timestep);
    return Math.sqrt((1 - alphaBar) / alphaBar);
  });
  const scaleOf = (index: number) => Math.sqrt(1 + (sigmas[index] ?? 0) ** 2);
  /** Length of a step, in −ln σ. */
  const lengthOf = (index: number) => Math.log(sigmas[index]! / sigmas[index + 1]!);
  const expectClean: Scheduler['expectClean'] = ({ sample, index, prediction }) => {
    const scale = scaleOf(index);
    const sigma = sigmas[index]!;
    return predicts === 'velocity'
      ? combine(1 / scale, sample, -sigma / scale, prediction)
      : combine(scale, sample, -sigma, prediction);
  };
  return {
    timesteps,
    expectClean,
    step({ state, index, prediction, drawNoise }) {
      const clean = expectClean({ sample: state.sample, index, prediction });
      if (index === steps - 1) return { sample: clean };
      const [before, earlier] = state.memory ?? [];
      const length = lengthOf(index);
      const weights = weightsOf(length, before && lengthOf(index - 1), earlier && lengthOf(index - 2));
      const next = sigmas[index + 1]!;
      const scale = scaleOf(index + 1);
      const own = (Math.exp(-2 * length) * scaleOf(index)) / scale;
      let sample = combine(own, state.sample, weights.clean / scale, clean);
      if (before) sample = combine(1, sample, weights.before / scale, before);
      if (earlier) sample = combine(1, sample, weights.earlier / scale, earlier);
      const noise = (next * Math.sqrt(-Math.expm1(-2 * length))) / scale;
      return { sample: combine(1, sample, noise, drawNoise()), memory: before ? [clean, before] : [clean] };
    },
  };
}

/** Of the clean latent that is expected now, one step and two steps earlier; `length`: of this step and of those. */
function weightsOf(length: number, before?: number, earlier?: number) {
  const whole = 2 * length;
  const first = -Math.expm1(-whole);
  if (before === undefined) return { clean: first, before: 0, earlier: 0 };
  const second = Math.expm1(-whole) / whole + 1;
  if (earlier === undefined) {
    const slope = (second * length) / before;
    return { clean: first + slope, before: -slope, earlier: 0 };
  }
  const third = second / whole - 0.5;
  const [near, far] = [before / length, earlier / length];
  // Differences of neighbors over their distances, and of those.
  const [rise, curve] = [1 + near / (near + far), 1 / (near + far)];
  const ofNear = (second * rise - third * curve) / near;
  const ofFar = (-second * (near / (near + far)) + third * curve) / far;
  return { clean: first + ofNear, before: -ofNear + ofFar, earlier: -ofFar };
}
