import type { Tensor } from '../tensor/tensor.ts';
import { combine } from './noise-schedule.ts';

/**
 * Classifier-free guidance (Ho & Salimans 2021): away from the prediction for the negative prompt, negative + scale ·
 * (positive − negative). A scale of 1 gives the positive prediction.
 */
export function guide(negative: Float32Array, positive: Float32Array, scale: number): Float32Array {
  return combine(1 - scale, negative, scale, positive);
}

/** The same of both predictions in one tensor [2, ..], the negative one first. */
export function guideByPrompts({ data }: Tensor, scale: number): Float32Array {
  const half = data.length / 2;
  return guide(data.subarray(0, half), data.subarray(half), scale);
}
