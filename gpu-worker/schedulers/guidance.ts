import type { Tensor } from '../tensor/tensor.ts';
import { combine } from './noise-schedule.ts';

/**
 * Classifier-free guidance (Ho & Salimans 2021): away from the prediction for the negative prompt, negative + scale ·
 * (positive − negative). A scale of 1 gives the positive prediction.
 */
export function guide(negative: Float32Array, positive: Float32Array, scale: number): Float32Array {
  return combine(1 - scale, negative, scale, positive);
}

/**
 * Guidance that grows as the noise falls, as DiffBIR's script rescales it: from 1 at the last timestep of a training of
 * `trainSteps` to 1 + `scale`.
 */
export function risingGuidance(scale: number, timestep: number, trainSteps: number): number {
  return 1 + (scale * (1 - Math.cos(Math.PI * ((trainSteps - timestep) / trainSteps) ** 5))) / 2;
}

/** The same of both predictions in one tensor [2, ..], the negative one first. */
export function guideByPrompts({ data }: Tensor, scale: number): Float32Array {
  const half = data.length / 2;
  return guide(data.subarray(0, half), data.subarray(half), scale);
}
