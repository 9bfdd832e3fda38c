import { AppError } from '../error.ts';

/**
 * Where the called timesteps lie among those of the training (Lin et al. 2023, table 2). `leading` starts well below
 * the last one, by which a latent noised to the last one is noisier than announced; `trailing` starts there; `even` starts
 * there and ends at the first one (Nichol & Dhariwal 2021, section 4); `uniform` has all that lie ⌊trained / steps⌋
 * apart: often more than were asked for; `linspace` starts there and shares out the way down to timestep 0 evenly.
 */
export type Spacing = 'leading' | 'trailing' | 'even' | 'uniform' | 'linspace';

export interface TimestepsOptions {
  /** Calls of the network, if none is skipped. */
  steps: number;
  spacing: Spacing;
  /** Added to each; only `leading` and `uniform` know it. 1 for Stable Diffusion. */
  offset: number;
  /** The latent starts here; timesteps above are not called. Default: the last one of the training. */
  startSteps?: number;
}

/** Timesteps in the order of the calls, falling. Throws AppError `invalid` where the numbers leave none. */
export function spaceTimesteps(trainSteps: number, options: TimestepsOptions): number[] {
  const { steps, spacing, offset, startSteps = trainSteps - 1 } = options;
  const most = trainSteps - (spacing === 'leading' ? offset : spacing === 'linspace' ? 1 : 0);
  if (!Number.isInteger(steps) || steps < 1 || steps > most)
    throw new AppError('invalid', `The number of steps is ${steps}; it must be a whole number from 1 to ${most}.`);
  const all = SPACINGS[spacing](trainSteps, steps, offset);
  if (all[0]! >= trainSteps)
    throw new AppError(
      'invalid',
      `With ${steps} steps the first timestep is ${all[0]}, beyond the training's ${trainSteps - 1}.`,
    );
  const called = all.filter((timestep) => timestep <= startSteps);
  if (called.length === 0)
    throw new AppError(
      'invalid',
      `start_steps is ${startSteps}; with ${steps} steps it must be ${all.at(-1)} or more.`,
    );
  return called;
}

const SPACINGS: Record<Spacing, (trainSteps: number, steps: number, offset: number) => number[]> = {
  leading,
  trailing,
  even,
  uniform,
  linspace,
};

function leading(trainSteps: number, steps: number, offset: number): number[] {
  const stride = Math.floor(trainSteps / steps);
  return Array.from({ length: steps }, (_, index) => (steps - 1 - index) * stride + offset);
}

/** As numpy's `arange` and `round` compute it: halves go to the even neighbor. */
function trailing(trainSteps: number, steps: number): number[] {
  const stride = trainSteps - trainSteps / steps - trainSteps;
  return Array.from({ length: steps }, (_, index) => roundHalfToEven(trainSteps + index * stride) - 1);
}

/** As Python adds up the distances and rounds each sum: halves go to the even neighbor. A single step is the last one. */
function even(trainSteps: number, steps: number): number[] {
  const distance = (trainSteps - 1) / (steps - 1);
  const rising: number[] = [];
  for (let position = 0; rising.length < steps; position += distance) rising.push(roundHalfToEven(position));
  return steps === 1 ? [trainSteps - 1] : rising.reverse();
}

function uniform(trainSteps: number, steps: number, offset: number): number[] {
  const stride = Math.floor(trainSteps / steps);
  const count = Math.ceil(trainSteps / stride);
  return Array.from({ length: count }, (_, index) => (count - 1 - index) * stride + offset);
}

/** Without the 0 at its end, as numpy's `linspace` and `round` compute it. */
function linspace(trainSteps: number, steps: number): number[] {
  const stride = (trainSteps - 1) / steps;
  return Array.from({ length: steps }, (_, index) => roundHalfToEven((steps - index) * stride));
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
