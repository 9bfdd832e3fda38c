import { AppError } from '../../shared/error.ts';
import { combine, type NoiseSchedule } from './noise-schedule.ts';
import type { Scheduler } from './scheduler.ts';

interface DpmSolverOptions {
  /** Calls of the network. */
  steps: number;
  /** The first timestep that is called; the latent starts there. Default: the last one of the training. */
  startSteps?: number;
}

/**
 * DPM-Solver++(2M): the probability-flow ODE, in the expected clean latent, with two steps of memory (Lu et al. 2022b,
 * algorithm 2). First order where there is no memory yet and in the last step, which goes to the clean latent: there
 * λ = ln(α/σ) is infinite and the expected clean latent is the result. The prediction is the
 * noise in the sample. Draws no noise.
 */
export function createDpmSolver(schedule: NoiseSchedule, options: DpmSolverOptions): Scheduler {
  const timesteps = spaceByLambda(schedule, options);
  const expectClean: Scheduler['expectClean'] = ({ sample, index, prediction }) => {
    const { alpha, sigma } = rates(schedule, timesteps[index]!);
    return combine(1 / alpha, sample, -sigma / alpha, prediction);
  };
  return {
    timesteps,
    expectClean,
    step({ state, index, prediction }) {
      const { sigma, lambda } = rates(schedule, timesteps[index]!);
      const clean = expectClean({ sample: state.sample, index, prediction });
      if (index === timesteps.length - 1) return { sample: clean };
      const next = rates(schedule, timesteps[index + 1]!);
      const step = next.lambda - lambda;
      let direction = clean;
      const [previous] = state.memory ?? [];
      if (previous) {
        const ratio = (lambda - rates(schedule, timesteps[index - 1]!).lambda) / step;
        direction = combine(1 + 1 / (2 * ratio), clean, -1 / (2 * ratio), previous);
      }
      const sample = combine(next.sigma / sigma, state.sample, -next.alpha * Math.expm1(-step), direction);
      return { sample, memory: [clean] };
    },
  };
}

/**
 * Timesteps at even distances of λ (Lu et al. 2022a, section 3.3): evenly spaced ones would end far from the clean
 * latent and lose its fine detail. Throws AppError `invalid` where there are not as many timesteps as steps.
 */
function spaceByLambda(schedule: NoiseSchedule, { steps, startSteps = schedule.trainSteps - 1 }: DpmSolverOptions) {
  if (!Number.isInteger(steps) || steps < 1 || steps > startSteps)
    throw new AppError(
      'invalid',
      `The number of steps is ${steps}; it must be a whole number from 1 to ${startSteps}.`,
    );
  const first = rates(schedule, startSteps).lambda;
  const distance = (rates(schedule, 0).lambda - first) / steps;
  const timesteps: number[] = [];
  let timestep = startSteps;
  for (let index = 0; index < steps; index++) {
    const lambda = first + index * distance;
    while (timestep > 0 && rates(schedule, timestep - 1).lambda <= lambda) timestep--;
    timesteps.push(timestep);
  }
  // Near the clean latent they lie closer than timesteps do: each at least one above the one after it.
  for (let index = steps - 1; index >= 0; index--)
    timesteps[index] = Math.max(timesteps[index]!, (timesteps[index + 1] ?? 0) + 1);
  return timesteps;
}

/** α = √ᾱ, σ = √(1−ᾱ), λ = ln(α/σ) of a timestep. */
function rates(schedule: NoiseSchedule, timestep: number) {
  const alphaBar = schedule.alphaBar(timestep);
  const [alpha, sigma] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  return { alpha, sigma, lambda: Math.log(alpha / sigma) };
}
