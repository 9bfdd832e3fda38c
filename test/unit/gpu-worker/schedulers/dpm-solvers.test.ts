import { describe, expect, test } from 'vitest';
import { createDdim } from '../../../../gpu-worker/schedulers/ddim.ts';
import { createContinuousDpmSolver } from '../../../../gpu-worker/schedulers/dpm-solver-continuous.ts';
import { createDpmSolverSde } from '../../../../gpu-worker/schedulers/dpm-solver-sde.ts';
import { guideLatent } from '../../../../gpu-worker/schedulers/latent-guidance.ts';
import {
  addNoise,
  combine,
  createNoiseSchedule,
  type NoiseSchedule,
} from '../../../../gpu-worker/schedulers/noise-schedule.ts';
import type { SamplerState, Scheduler } from '../../../../gpu-worker/schedulers/scheduler.ts';
import { createSpacedDdpm } from '../../../../gpu-worker/schedulers/spaced-ddpm.ts';

const TRAINING = { trainSteps: 1000, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: 'scaled_linear' } as const;
const PLAIN = createNoiseSchedule(TRAINING);
const ZERO = createNoiseSchedule({ ...TRAINING, endsInNoise: true });

test('a schedule that ends in noise: numbers of the published code (DiffBIR 2.1)', () => {
  expect(ZERO.alphaBar(0)).toBeCloseTo(PLAIN.alphaBar(0), 12);
  expect(ZERO.alphaBar(500)).toBeCloseTo(0.2410188, 7);
  expect(ZERO.alphaBar(998)).toBeCloseTo(1.96789e-7, 11);
  expect(ZERO.alphaBar(999)).toBe(0);
});

/** All steps with a network that knows the clean latent, `CLEAN`, exactly. */
const CLEAN = Float32Array.of(0.8, -1.2, 0.1);
function sampled(scheduler: Scheduler, predict: (sample: Float32Array, index: number) => Float32Array): Float32Array {
  let state: SamplerState = { sample: Float32Array.of(1.5, -0.4, 0.7) };
  for (const index of scheduler.timesteps.keys()) {
    const drawNoise = () => Float32Array.of(0.3, -0.9, 1.1);
    state = scheduler.step({ state, index, prediction: predict(state.sample, index), drawNoise });
  }
  return state.sample;
}

/** The prediction from which a scheduler expects `CLEAN`: both are lines in it. */
function knowing(scheduler: Scheduler) {
  return (sample: Float32Array, index: number) => {
    const at = (prediction: number) =>
      scheduler.expectClean({ sample, index, prediction: new Float32Array(sample.length).fill(prediction) });
    const [none, one] = [at(0), at(1)];
    return sample.map((_, place) => (CLEAN[place]! - none[place]!) / (one[place]! - none[place]!));
  };
}

describe.each([
  { schedule: ZERO, predicts: 'velocity' },
  { schedule: PLAIN, predicts: 'noise' },
] as { schedule: NoiseSchedule; predicts: 'velocity' | 'noise' }[])('of $predicts', ({ schedule, predicts }) => {
  test.each([1, 2, 3, 7])(
    'the SDE solver ends where a network that knows the picture sends it, in %i steps',
    (steps) => {
      const scheduler = createDpmSolverSde(schedule, { steps, predicts });
      const found = sampled(scheduler, knowing(scheduler));
      // A start that is nearly all noise tells little of the picture in fp32.
      for (const [place, value] of found.entries()) expect(value).toBeCloseTo(CLEAN[place]!, 3);
    },
  );

  test.each([2, 5, 12])('the continuous solver ends at timestep 0, in %i steps', (steps) => {
    const scheduler = createContinuousDpmSolver(schedule, { steps, predicts });
    const found = sampled(scheduler, knowing(scheduler));
    const share = Math.sqrt(schedule.alphaBar(0));
    // What is left of the noise there is at most 0.03 of the start.
    for (const [place, value] of found.entries()) expect(Math.abs(value - share * CLEAN[place]!)).toBeLessThan(0.06);
    expect(scheduler.timesteps).toHaveLength(steps);
    expect(scheduler.timesteps[0]).toBeLessThan(1000);
  });
});

test('timesteps of the SDE solver: even, cut down, all of them below a later start', () => {
  const timestepsOf = (more: object) => createDpmSolverSde(ZERO, { steps: 4, predicts: 'velocity', ...more }).timesteps;
  expect(timestepsOf({})).toEqual([999, 749, 499, 249]);
  expect(timestepsOf({ startSteps: 399 })).toEqual([399, 299, 199, 99]);
});

test('the continuous solver begins at the last timestep where anything of the picture is left, or later', () => {
  const begin = (schedule: NoiseSchedule, more: object) => {
    const { begins, timesteps } = createContinuousDpmSolver(schedule, { steps: 4, predicts: 'velocity', ...more });
    return { begins, first: timesteps[0]! };
  };
  expect(begin(PLAIN, {})).toEqual({ begins: 999, first: 999 });
  const { begins } = begin(ZERO, {});
  expect([begins < 999, begins > 900]).toEqual([true, true]);
  expect(begin(PLAIN, { startSteps: 399 })).toEqual({ begins: 399, first: 399 });
  expect(begin(ZERO, { startSteps: 399 }).begins).toBe(399);
});

test('a latent that is as noisy as the start goes to the clean one with every solver', () => {
  const noise = Float32Array.of(1.5, -0.4, 0.7);
  for (const scheduler of [
    createDpmSolverSde(ZERO, { steps: 6, predicts: 'velocity', startSteps: 499 }),
    createContinuousDpmSolver(ZERO, { steps: 6, predicts: 'velocity', startSteps: 499 }),
    createDdim(ZERO, { steps: 12, eta: 0, predicts: 'velocity', startSteps: 499 }),
    createSpacedDdpm(ZERO, { steps: 12, spacing: 'even', offset: 0, predicts: 'velocity', startSteps: 499 }),
  ]) {
    const timestep = 'begins' in scheduler ? Number(scheduler.begins) : scheduler.timesteps[0]!;
    const sample = addNoise(ZERO, CLEAN, noise, timestep);
    // The velocity of the start is known; a wrong level of noise would give another clean latent.
    const alphaBar = ZERO.alphaBar(timestep);
    const prediction = combine(Math.sqrt(alphaBar), noise, -Math.sqrt(1 - alphaBar), CLEAN);
    const clean = scheduler.expectClean({ sample, index: 0, prediction });
    for (const [place, value] of clean.entries()) expect(value).toBeCloseTo(CLEAN[place]!, 5);
  }
});

describe('latent guidance', () => {
  const base = createSpacedDdpm(PLAIN, { steps: 3, spacing: 'even', offset: 0 });
  const target = Float32Array.of(2, 2, 2);
  const guided = (options: { start: number; stop: number; repeats: number }) => {
    let draws = 0;
    const drawTarget = () => {
      draws++;
      return target;
    };
    const scheduler = guideLatent(base, { scale: 20, area: 9, drawTarget, ...options });
    const input = {
      state: { sample: Float32Array.of(1, -1, 0.5) },
      index: 1,
      prediction: Float32Array.of(0.1, 0.2, -0.3),
      drawNoise: () => new Float32Array(3),
    };
    return { plain: base.step(input).sample, moved: scheduler.step(input).sample, draws: () => draws };
  };

  test('moves the sample by half of the step towards the target, again and again', () => {
    const once = guided({ start: 1001, stop: 200, repeats: 1 });
    const clean = base.expectClean({
      sample: Float32Array.of(1, -1, 0.5),
      index: 1,
      prediction: Float32Array.of(0.1, 0.2, -0.3),
    });
    for (const [place, value] of once.moved.entries()) {
      expect(value - once.plain[place]!).toBeCloseTo((-20 * 2 * (clean[place]! - 2)) / (4 * 9) / 2, 5);
    }
    const twice = guided({ start: 1001, stop: 200, repeats: 2 });
    expect(twice.moved).not.toEqual(once.moved);
    expect(twice.draws()).toBe(2);
  });

  test.each([
    { start: 501, stop: 0 },
    { start: 1001, stop: 501 },
  ])('leaves timestep 500, the 501st, alone outside of $start to $stop, and draws all the same', (range) => {
    const { plain, moved, draws } = guided({ ...range, repeats: 4 });
    expect(moved).toEqual(plain);
    expect(draws()).toBe(1);
  });
});
