import { combine } from './noise-schedule.ts';
import type { Scheduler } from './scheduler.ts';

/** How the residual was shifted in training; fields of the published configuration in other words. */
export interface ShiftConfig {
  steps: number;
  /** κ·√η at the first timestep, for κ from 1: the deviation of its noise. */
  leastNoise: number;
  /** √η at the last timestep. */
  mostShift: number;
  /** Below 1 the shift grows early. */
  power: number;
  /** κ: deviation of the noise where the shift is complete. */
  noiseLevel: number;
}

/** By timestep, from 0 up. */
export interface ShiftTables {
  /** √η; η is the share of the residual that is in the sample. */
  rootShift: Float64Array;
  shift: Float64Array;
  /** η of the timestep before; 0 for the first. */
  previousShift: Float64Array;
  /** Factors of the sample and of the clean latent in the mean of the next sample. */
  ofSample: Float64Array;
  ofClean: Float64Array;
  /** Of the noise that is added. */
  variance: Float64Array;
  /** Of a sample whose clean latent has deviation 1: √(κ²·η + 1). */
  deviation: Float64Array;
}

/** In double precision, as the original has them. */
export function shiftTables({ steps, leastNoise, mostShift, power, noiseLevel }: ShiftConfig): ShiftTables {
  const first = Math.min(leastNoise / noiseLevel, leastNoise);
  const byTimestep = (value: (timestep: number) => number) =>
    Float64Array.from({ length: steps }, (_, timestep) => value(timestep));
  const rootShift = byTimestep((timestep) => first * (mostShift / first) ** ((timestep / (steps - 1)) ** power));
  const shift = rootShift.map((root) => root ** 2);
  const previousShift = byTimestep((timestep) => shift[timestep - 1] ?? 0);
  const ofSample = byTimestep((timestep) => previousShift[timestep]! / shift[timestep]!);
  return {
    rootShift,
    shift,
    previousShift,
    ofSample,
    ofClean: byTimestep((timestep) => (shift[timestep]! - previousShift[timestep]!) / shift[timestep]!),
    variance: byTimestep((timestep) => {
      const added = shift[timestep]! - previousShift[timestep]!;
      return (noiseLevel ** 2 * previousShift[timestep]! * added) / shift[timestep]!;
    }),
    deviation: shift.map((share) => Math.sqrt(noiseLevel ** 2 * share + 1)),
  };
}

export interface ResidualShifting extends Scheduler {
  /** Where the chain begins: the latent of the photo, noised. */
  start(encoded: Float32Array, noise: Float32Array): Float32Array;
  /** What the network is shown of a sample at step `index`: its deviation is 1. */
  normalize(sample: Float32Array, index: number): Float32Array;
}

/**
 * The chain between the latent of the photo and the clean one (Yue et al. 2023): what lies between the two is
 * shifted out, a part a step. The prediction is the clean latent. `step` takes the sample as it is, not normalized.
 */
export function createResidualShifting(config: ShiftConfig): ResidualShifting {
  const { rootShift, ofSample, ofClean, variance, deviation } = shiftTables(config);
  const timesteps = Array.from({ length: config.steps }, (_, index) => config.steps - 1 - index);
  return {
    timesteps,
    start: (encoded, noise) => combine(1, encoded, config.noiseLevel * rootShift.at(-1)!, noise),
    normalize: (sample, index) => sample.map((value) => value / deviation[timesteps[index]!]!),
    step({ state, index, prediction, drawNoise }) {
      const timestep = timesteps[index]!;
      const mean = combine(ofSample[timestep]!, state.sample, ofClean[timestep]!, prediction);
      return { sample: timestep > 0 ? combine(1, mean, Math.sqrt(variance[timestep]!), drawNoise()) : mean };
    },
    expectClean: ({ prediction }) => prediction,
  };
}
