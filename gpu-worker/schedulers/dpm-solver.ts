import { AppError } from '../../shared/error.ts';
import { combine, type NoiseSchedule, type Rates, rates } from './noise-schedule.ts';
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
      const clean = expectClean({ sample: state.sample, index, prediction });
      if (index === timesteps.length - 1) return { sample: clean };
      const at = (position: number) => rates(schedule, timesteps[position]!);
      const [previous] = state.memory ?? [];
      const before = previous && at(index - 1);
      const known = { sample: state.sample, clean, previous };
      return { sample: multistep({ before, now: at(index), next: at(index + 1) }, known), memory: [clean] };
    },
  };
}

/**
 * The sample at `next`, from the one at `now` and the clean latent that is expected there: of second order with what was
 * expected in the step before.
 */
export function multistep(
  { before, now, next }: { before?: Rates | undefined; now: Rates; next: Rates },
  known: { sample: Float32Array; clean: Float32Array; previous?: Float32Array | undefined },
): Float32Array {
  const step = next.lambda - now.lambda;
  let direction = known.clean;
  if (before && known.previous) {
    const ratio = (now.lambda - before.lambda) / step;
    direction = combine(1 + 1 / (2 * ratio), known.clean, -1 / (2 * ratio), known.previous);
  }
  return combine(next.sigma / now.sigma, known.sample, -next.alpha * Math.expm1(-step), direction);
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
