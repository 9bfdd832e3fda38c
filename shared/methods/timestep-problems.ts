import type { ParameterProblem } from './method.ts';

/** Counts with which the original of `uniform` spacing fails: the last of its timesteps, 1 added, lies beyond the training. */
export function uniformStepProblems(trained: number, steps: number): ParameterProblem[] {
  if ((trained - 1) % Math.floor(trained / steps) !== 0) return [];
  return [
    {
      parameter: 'steps',
      message: `steps ${steps} would call timestep ${trained}, beyond those of the training.`,
      detail: 'calls a timestep that the model does not know',
      expected: 'for example 25, 50, 100 or 200',
    },
  ];
}
