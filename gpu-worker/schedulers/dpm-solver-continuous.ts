import { multistep } from './dpm-solver.ts';
import { combine, type NoiseSchedule, type Rates } from './noise-schedule.ts';
import type { Predicts } from './predicts.ts';
import type { Scheduler } from './scheduler.ts';

interface ContinuousOptions {
  /** Calls of the network. */
  steps: number;
  predicts: Predicts;
  /** The latent starts at this timestep, and all steps lie below. Default: the last one that is called. */
  startSteps?: number;
}

interface Begins {
  /** The timestep whose noise the start has: the network counts them otherwise. */
  begins: number;
}

/** ln(α/σ) of a timestep that is left out: next to nothing of the picture is there. */
const LEAST_LAMBDA = -5.1;
/** With fewer steps the last one is of first order. */
const FEW_STEPS = 10;

/**
 * DPM-Solver++(2M) as its authors have it (github.com/LuChengTHU/dpm-solver, `time_uniform`): evenly spaced times between
 * those of the training, to timestep 0 and not to the clean latent. The network is called with fractions of timesteps.
 */
export function createContinuousDpmSolver(
  schedule: NoiseSchedule,
  { steps, predicts, startSteps = schedule.trainSteps - 1 }: ContinuousOptions,
): Scheduler & Begins {
  const logAlphas = usableLogAlphas(schedule);
  const count = logAlphas.length;
  const begins = Math.min(count - 1, startSteps);
  // Times of the training lie at 1/count, 2/count .. 1.
  const positions = Array.from({ length: steps + 1 }, (_, index) => begins * (1 - index / steps));
  const rates = positions.map((position) => ratesAt(logAlphas, position));
  const expectClean: Scheduler['expectClean'] = ({ sample, index, prediction }) => {
    const { alpha, sigma } = rates[index]!;
    return predicts === 'velocity'
      ? combine(alpha, sample, -sigma, prediction)
      : combine(1 / alpha, sample, -sigma / alpha, prediction);
  };
  return {
    begins,
    timesteps: positions.slice(0, -1).map((position) => (position / count) * schedule.trainSteps),
    expectClean,
    step({ state, index, prediction }) {
      const clean = expectClean({ sample: state.sample, index, prediction });
      const isFirstOrder = index === steps - 1 && steps < FEW_STEPS;
      const [previous] = isFirstOrder ? [] : (state.memory ?? []);
      const between = { before: rates[index - 1], now: rates[index]!, next: rates[index + 1]! };
      return { sample: multistep(between, { sample: state.sample, clean, previous }), memory: [clean] };
    },
  };
}

/** ln √ᾱ from timestep 0 on. */
function usableLogAlphas({ trainSteps, alphaBar }: NoiseSchedule): number[] {
  const all = Array.from({ length: trainSteps }, (_, timestep) => Math.log(alphaBar(timestep)) / 2);
  return all.filter((logAlpha) => lambdaOf(logAlpha) >= LEAST_LAMBDA);
}

function lambdaOf(logAlpha: number): number {
  return logAlpha - Math.log(-Math.expm1(2 * logAlpha)) / 2;
}

/** Between two timesteps ln α lies on a line. */
function ratesAt(logAlphas: readonly number[], position: number): Rates {
  const below = Math.min(logAlphas.length - 2, Math.floor(position));
  const share = position - below;
  const logAlpha = (1 - share) * logAlphas[below]! + share * logAlphas[below + 1]!;
  return { alpha: Math.exp(logAlpha), sigma: Math.sqrt(-Math.expm1(2 * logAlpha)), lambda: lambdaOf(logAlpha) };
}
