import type { Tensor } from '../tensor/tensor.ts';

/** Of latents: a normal distribution at each position, both [1, latent channels, h, w]. */
export interface Posterior {
  mean: Tensor;
  logVariance: Tensor;
}

/** Outside, the exponential of half of it would leave the range of fp16; as in the published code. */
const LOG_VARIANCE_RANGE = [-30, 20] as const;

/** Halves of [1, 2 · latent channels, h, w]; the second is clamped. */
export function splitMoments({ data, shape }: Tensor): Posterior {
  const [, channels, height, width] = shape as [number, number, number, number];
  const half = [1, channels / 2, height, width];
  const [lowest, highest] = LOG_VARIANCE_RANGE;
  return {
    mean: { data: data.slice(0, data.length / 2), shape: half },
    logVariance: {
      data: data.slice(data.length / 2).map((value) => Math.min(highest, Math.max(lowest, value))),
      shape: half,
    },
  };
}
