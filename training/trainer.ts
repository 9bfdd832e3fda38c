import type { Tensor } from '../gpu-worker/tensor/tensor.ts';
import { type AdamWSettings, clipFactor, gradientNorm, type Moments, startMoments, stepAdamW } from './adamw.ts';

export type Tensors = ReadonlyMap<string, Tensor>;

interface TrainerOptions extends AdamWSettings {
  /** Gradients longer than this together are shortened; default: none are. */
  largestNorm?: number | null | undefined;
}

/** Trained tensors and what the optimizer remembers of them. */
export interface Trainer {
  readonly tensors: Tensors;
  readonly moments: ReadonlyMap<string, Moments>;
  /** One step with the means of the gradients of a batch; gives the length of all of them before they are shortened. */
  step(gradients: ReadonlyMap<string, Float32Array>, learningRate: number): number;
}

/** Changes `tensors` in place. `moments`: of a training that goes on. */
export function createTrainer(
  tensors: Tensors,
  { largestNorm, ...settings }: TrainerOptions,
  moments: Map<string, Moments> = new Map(),
): Trainer {
  for (const [name, { data }] of tensors) if (!moments.has(name)) moments.set(name, startMoments(data.length));
  return {
    tensors,
    moments,
    step(gradients, learningRate) {
      const norm = gradientNorm(gradients.values());
      const factor = largestNorm == null ? 1 : clipFactor(norm, largestNorm);
      for (const [name, gradient] of gradients) {
        stepAdamW(tensors.get(name)!.data, gradient, moments.get(name)!, { ...settings, learningRate, factor });
      }
      return norm;
    },
  };
}

/** The mean of the gradients of several items. */
export function meanGradients(items: readonly Tensors[]): Map<string, Float32Array> {
  const sums = new Map<string, Float32Array>();
  for (const item of items) addGradients(sums, item);
  for (const sum of sums.values()) for (let index = 0; index < sum.length; index++) sum[index]! /= items.length;
  return sums;
}

function addGradients(sums: Map<string, Float32Array>, gradients: Tensors): void {
  for (const [name, { data }] of gradients) {
    const sum = sums.get(name);
    if (!sum) sums.set(name, data.slice());
    else for (let index = 0; index < data.length; index++) sum[index]! += data[index]!;
  }
}
