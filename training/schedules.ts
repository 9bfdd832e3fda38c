/** The learning rate of an iteration, counted from 1. */
export type Schedule = (iteration: number) => number;

interface WarmedUp {
  learningRate: number;
  warmUp: number;
  /** Behind each of these iterations the rate is multiplied by `factor`. */
  milestones: readonly number[];
  factor: number;
}

/**
 * The published schedule of DAPE as its program computes it: it rises in equal steps, and ends one step below what was asked for,
 * because from the last iteration of the warm-up on the rate of the one before is only multiplied.
 */
export function publishedDapeSchedule({ learningRate, warmUp, milestones, factor }: WarmedUp): Schedule {
  return (iteration) => {
    const risen = warmUp === 0 ? 1 : Math.min(iteration, warmUp - 1) / warmUp;
    return learningRate * risen * factor ** milestones.filter((milestone) => iteration > milestone).length;
  };
}
