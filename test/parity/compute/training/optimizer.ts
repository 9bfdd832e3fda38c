import { z } from 'zod';
import { clipFactor, gradientNorm, startMoments, stepAdamW } from '../../../../training/adamw.ts';
import { publishedDapeSchedule } from '../../../../training/schedules.ts';
import type { RecordedCase } from '../../../support/recorded-case.ts';
import type { Computed } from '../../computed.ts';

const adamwSchema = z.object({
  learning_rate: z.number(),
  betas: z.tuple([z.number(), z.number()]),
  eps: z.number(),
  weight_decay: z.number(),
  max_grad_norm: z.number().nullish(),
});

/** The settings of a case under our names. */
export function adamwOf(recorded: RecordedCase) {
  const { learning_rate, betas, eps, weight_decay, max_grad_norm } = adamwSchema.parse(recorded.parameters);
  const [beta1, beta2] = betas;
  return {
    learningRate: learning_rate,
    beta1,
    beta2,
    epsilon: eps,
    weightDecay: weight_decay,
    largestNorm: max_grad_norm,
  };
}

const optimizerSchema = z.object({
  steps: z.int(),
  without_gradient: z.array(z.string()),
  missing_gradients: z.array(z.tuple([z.string(), z.int()])),
});

/** AdamW on recorded gradients: every tensor after every step, and the moments at the end. */
export async function computeOptimizer(recorded: RecordedCase): Promise<Computed> {
  const { steps, without_gradient: without, missing_gradients: missing } = optimizerSchema.parse(recorded.parameters);
  const { largestNorm, ...settings } = adamwOf(recorded);
  const names = recorded.inputNames.flatMap((name) => /^start\.(.*)$/.exec(name)?.[1] ?? []);
  const outputs: Computed['outputs'] = {};
  const norms = new Float32Array(steps);
  const tensors = await Promise.all(
    names.map(async (name) => {
      const { data: values, shape } = await recorded.tensor(`start.${name}`);
      const gradients = without.includes(name) ? undefined : (await recorded.tensor(`gradient.${name}`)).data;
      const path = { data: new Float32Array(steps * values.length), shape: [steps, ...shape] };
      outputs[`path.${name}`] = path;
      return { name, values, shape, gradients, path: path.data, moments: startMoments(values.length) };
    }),
  );
  for (let step = 0; step < steps; step++) {
    const present = tensors.flatMap(({ name, values, gradients, moments }) => {
      const isMissing = missing.some(([which, when]) => which === name && when === step);
      const gradient = gradients?.subarray(step * values.length, (step + 1) * values.length);
      return gradient && !isMissing ? [{ values, gradient, moments }] : [];
    });
    norms[step] = gradientNorm(present.map(({ gradient }) => gradient));
    const factor = largestNorm == null ? 1 : clipFactor(norms[step]!, largestNorm);
    for (const { values, gradient, moments } of present) stepAdamW(values, gradient, moments, { ...settings, factor });
    for (const { values, path } of tensors) path.set(values, step * values.length);
  }
  for (const { name, shape, moments } of tensors) {
    outputs[`exp_avg.${name}`] = { data: moments.first, shape };
    outputs[`exp_avg_sq.${name}`] = { data: moments.second, shape };
  }
  return { outputs: { ...outputs, grad_norms: { data: norms, shape: [steps] } } };
}

const scheduleSchema = z.object({
  learning_rate: z.number(),
  warmup_iterations: z.int(),
  milestones: z.array(z.int()),
  gamma: z.number(),
  iterations: z.array(z.int()),
});

export async function computeSchedule(recorded: RecordedCase): Promise<Computed> {
  const { learning_rate, warmup_iterations, milestones, gamma, iterations } = scheduleSchema.parse(recorded.parameters);
  const settings = { learningRate: learning_rate, warmUp: warmup_iterations, milestones, factor: gamma };
  const data = Float32Array.from(iterations, publishedDapeSchedule(settings));
  return { outputs: { learning_rate: { data, shape: [data.length] } } };
}
