import { describe, expect, it, test } from 'vitest';
import { createDdpm, ddpmStep } from '../../../../gpu-worker/schedulers/ddpm.ts';
import { createDpmSolver } from '../../../../gpu-worker/schedulers/dpm-solver.ts';
import { guide } from '../../../../gpu-worker/schedulers/guidance.ts';
import { createNoiseSchedule } from '../../../../gpu-worker/schedulers/noise-schedule.ts';
import type { Scheduler } from '../../../../gpu-worker/schedulers/scheduler.ts';
import { startLatent } from '../../../../gpu-worker/schedulers/start-latent.ts';
import { createUniPc } from '../../../../gpu-worker/schedulers/unipc.ts';

const STABLE_DIFFUSION = {
  trainSteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
} as const;
const schedule = createNoiseSchedule(STABLE_DIFFUSION);
const leading = (steps: number, startSteps?: number) => ({ steps, spacing: 'leading', offset: 1, startSteps }) as const;
const trailing = (steps: number) => ({ steps, spacing: 'trailing', offset: 1 }) as const;

// Golden numbers: computed in double precision from the formulas of the papers.
describe('noise schedule', () => {
  it.each([
    { timestep: 0, alphaBar: 0.99915 },
    { timestep: 1, alphaBar: 0.998296 },
    { timestep: 21, alphaBar: 0.9803807 },
    { timestep: 499, alphaBar: 0.2776697 },
    { timestep: 981, alphaBar: 0.0057755 },
    { timestep: 999, alphaBar: 0.0046601 },
    { timestep: -1, alphaBar: 1 },
  ])('has ᾱ $alphaBar at $timestep', ({ timestep, alphaBar }) => {
    expect(schedule.alphaBar(timestep)).toBeCloseTo(alphaBar, 7);
  });

  test('knows linear betas', () => {
    const linear = createNoiseSchedule({ ...STABLE_DIFFUSION, betaSchedule: 'linear' });
    expect(linear.alphaBar(1)).toBeCloseTo((1 - 0.00085) * (1 - (0.00085 + 0.01115 / 999)), 12);
  });

  test('refuses a timestep that no training had', () => {
    expect(() => schedule.alphaBar(1000)).toThrow('Timestep 1000 is not one of 0 to 999');
  });
});

describe('DDPM', () => {
  it.each([
    { from: 981, to: 961, clean: 0.0177537, sample: 0.8892403, noise: 0.4544633 },
    { from: 501, to: 481, clean: 0.0684785, sample: 0.9178728, noise: 0.2947845 },
    { from: 21, to: 1, clean: 0.9139269, sample: 0.0860692, noise: 0.0394795 },
    { from: 1, to: -19, clean: 1, sample: 0, noise: 1e-10 },
    { from: 999, to: 499, clean: 0.5205258, sample: 0.0940151, noise: 0.8447086 },
    { from: 499, to: -1, clean: 1, sample: 0, noise: 1e-10 },
  ])('has the coefficients of $from to $to', ({ from, to, ...expected }) => {
    const actual = ddpmStep(schedule, from, to);
    for (const name of ['clean', 'sample', 'noise'] as const) expect(actual[name]).toBeCloseTo(expected[name], 7);
  });

  // A sample whose true clean latent is known: the network answers with exactly the noise in it.
  it.each([leading(50), leading(7), trailing(2), trailing(4)])('gives the clean latent back: %o', (options) => {
    const scheduler = createDdpm(schedule, options);
    const clean = Float32Array.of(0.5, -1.25, 3);
    const end = sampleAll(scheduler, startAt(scheduler, clean), (x, timestep) => noiseIn(x, clean, timestep));
    // Leading spacing ends at timestep 1 or below, so all that is left is rounding: fp32, a few steps of it.
    for (const [index, value] of end.entries()) expect(value).toBeCloseTo(clean[index]!, 4);
  });

  test('skips the steps above the start, and steps on as if they had been called', () => {
    expect(createDdpm(schedule, leading(10, 400)).timesteps).toEqual([301, 201, 101, 1]);
    expect(() => createDdpm(schedule, leading(10, 0))).toThrow('start_steps is 0; with 10 steps it must be 1 or more');
  });

  it.each([0, 2.5, 1000, Number.NaN])('refuses %d steps', (steps) => {
    expect(() => createDdpm(schedule, leading(steps))).toThrow('it must be a whole number from 1 to 999');
  });
});

// Clean latents distributed as N(mean, deviation²): the best prediction and the ODE's solution have closed forms.
const [mean, deviation] = [0.7, 0.4];
const spread = (timestep: number) => {
  const alphaBar = schedule.alphaBar(timestep);
  return Math.sqrt(alphaBar * deviation ** 2 + 1 - alphaBar);
};
const center = (timestep: number) => Math.sqrt(schedule.alphaBar(timestep)) * mean;
const predict = (x: Float32Array, timestep: number) => {
  const sigma = Math.sqrt(1 - schedule.alphaBar(timestep));
  return x.map((value) => (sigma * (value - center(timestep))) / spread(timestep) ** 2);
};
const exact = (start: number, from: number, to: number) =>
  center(to) + ((start - center(from)) * spread(to)) / spread(from);

/** Largest error in the middle of the steps. */
function errorAtHalf(scheduler: Scheduler): number {
  const start = Float32Array.of(-2, -0.5, 1, 2.5);
  const timestep = scheduler.timesteps[scheduler.timesteps.length / 2]!;
  const end = sampleUntil(scheduler, start, predict, timestep);
  return Math.max(...end.map((value, index) => Math.abs(value - exact(start[index]!, 999, timestep))));
}

describe('DPM-Solver++', () => {
  /** Half-way, measured in λ. */
  const errorHalfWay = (steps: number) => errorAtHalf(createDpmSolver(schedule, { steps }));

  test('is of second order: halving the steps quarters the error', () => {
    const errors = [8, 16, 32, 64].map(errorHalfWay);
    for (const [index, error] of errors.slice(1).entries()) {
      expect(Math.log2(errors[index]! / error)).toBeGreaterThan(1.7);
      expect(Math.log2(errors[index]! / error)).toBeLessThan(2.6);
    }
    expect(errors.at(-1)).toBeLessThan(1e-3);
  });

  it.each([999, 600])('from timestep %d it is near the clean latent after 20 steps', (startSteps) => {
    const scheduler = createDpmSolver(schedule, { steps: 20, startSteps });
    expect(scheduler.timesteps[0]).toBe(startSteps);
    const start = Float32Array.of(-2, -0.5, 1, 2.5);
    const end = sampleAll(scheduler, start, predict);
    for (const [index, value] of start.entries()) {
      const clean = mean + ((value - center(startSteps)) * deviation) / spread(startSteps);
      expect(Math.abs(end[index]! - clean)).toBeLessThan(0.01);
    }
  });

  it.each([1, 2, 20, 50, 500, 999])('calls %d different timesteps, falling', (steps) => {
    const { timesteps } = createDpmSolver(schedule, { steps });
    expect(timesteps.length).toBe(steps);
    for (const [index, timestep] of timesteps.entries()) expect(timestep).toBeGreaterThan(timesteps[index + 1] ?? 0);
    expect(timesteps[0]).toBe(999);
  });

  test('refuses more steps than there are timesteps', () => {
    expect(() => createDpmSolver(schedule, { steps: 101, startSteps: 100 })).toThrow('a whole number from 1 to 100');
  });
});

describe('UniPC', () => {
  // Golden numbers: computed in double precision from the formulas of the paper, for 20 steps.
  it.each([
    {
      index: 1,
      corrector: [0.99814966, 0.01159283, 0, 0.01159283],
      predictor: [0.99699114, 0.04180202, -0.01327442],
    },
    {
      index: 2,
      corrector: [0.99699114, 0.01803599, -0.00213028, 0.01262189],
      predictor: [0.99530996, 0.05033908, -0.01598339],
    },
    {
      index: 10,
      corrector: [0.96019973, 0.05172178, -0.00615281, 0.03477749],
      predictor: [0.94988766, 0.1345163, -0.04474211],
    },
    {
      index: 18,
      corrector: [0.7837774, 0.15914993, -0.0268549, 0.10022564],
      predictor: [0.67659945, 0.58649662, -0.25082397],
    },
    {
      index: 19,
      corrector: [0.67659945, 0.2394346, -0.04994259, 0.14618065],
      predictor: [0.13249002, 0.87033248, 0],
    },
  ])('has the coefficients of step $index', ({ index, corrector, predictor }) => {
    const { timesteps, step } = createUniPc(schedule, { steps: 20, end: 'timestep-0' });
    // Of the last sample and the clean latents of the step before, of the one before that and of this step.
    const unit = (place: number) => Float32Array.from({ length: 4 }, (_, at) => (at === place ? 1 : 0));
    const memory = [unit(0), unit(1), ...(index > 1 ? [unit(2)] : [])];
    const alphaBar = schedule.alphaBar(timesteps[index]!);
    const prediction = unit(3).map((value) => (-value * Math.sqrt(alphaBar)) / Math.sqrt(1 - alphaBar));
    const state = { sample: new Float32Array(4), memory };
    const next = step({ state, index, prediction, drawNoise: () => prediction });
    const [ofSample, ofClean, ofPrevious] = predictor as [number, number, number];
    for (const [place, value] of corrector.entries()) {
      const predicted = ofSample * value + [0, ofPrevious, 0, ofClean][place]!;
      expect(next.sample[place]).toBeCloseTo(predicted, 7);
      if (next.memory) expect(next.memory[0]![place]).toBeCloseTo(value, 7);
    }
    expect(next.memory === undefined).toBe(index === 19);
  });

  test('is of third order with its corrector: halving the steps leaves an eighth of the error', () => {
    const errors = [16, 32, 64].map((steps) => errorAtHalf(createUniPc(schedule, { steps, end: 'clean' })));
    for (const [index, error] of errors.slice(1).entries()) {
      expect(Math.log2(errors[index]! / error)).toBeGreaterThan(2.6);
      expect(Math.log2(errors[index]! / error)).toBeLessThan(3.5);
    }
  });

  // Leading to the clean latent, it gives back what the network says of the last sample: here always the same.
  it.each([1, 2, 3, 20])('gives the clean latent back in %d steps, also from the middle', (steps) => {
    for (const startSteps of [999, 700]) {
      if (steps === 1 && startSteps < 999) continue;
      const scheduler = createUniPc(schedule, { steps, startSteps, end: 'clean' });
      expect(scheduler.timesteps[0]).toBeLessThanOrEqual(startSteps);
      const clean = Float32Array.of(0.5, -1.25, 3);
      const end = sampleAll(scheduler, startAt(scheduler, clean), (x, timestep) => noiseIn(x, clean, timestep));
      for (const [index, value] of end.entries()) expect(value).toBeCloseTo(clean[index]!, 4);
    }
  });

  it.each([
    { steps: 1, timesteps: [999] },
    { steps: 2, timesteps: [999, 500] },
    { steps: 4, timesteps: [999, 749, 500, 250] },
  ])('calls evenly spaced timesteps, halves to the even: $steps', ({ steps, timesteps }) => {
    expect(createUniPc(schedule, { steps, end: 'clean' }).timesteps).toEqual(timesteps);
  });

  test('refuses as many steps as there are timesteps', () => {
    expect(() => createUniPc(schedule, { steps: 1000, end: 'clean' })).toThrow('a whole number from 1 to 999');
  });
});

test('the start is the noised latent of the photo, or noise alone', () => {
  const [encoded, noise] = [Float32Array.of(1, -2), Float32Array.of(0.5, 0.25)];
  // √ᾱ and √(1−ᾱ) of timestep 999: 0.0682649 and 0.9976672.
  const start = startLatent(schedule, { encoded, noise, timestep: 999 });
  expect(start[0]).toBeCloseTo(0.0682649 + 0.5 * 0.9976672, 6);
  expect(start[1]).toBeCloseTo(-2 * 0.0682649 + 0.25 * 0.9976672, 6);
  expect(startLatent(schedule, { noise, timestep: 999 })).toEqual(noise);
});

test('guidance goes beyond the positive prediction, away from the negative', () => {
  expect(guide(Float32Array.of(1, 2), Float32Array.of(2, 0), 5.5)).toEqual(Float32Array.of(6.5, -9));
  expect(guide(Float32Array.of(1, 2), Float32Array.of(2, 0), 1)).toEqual(Float32Array.of(2, 0));
});

function noiseIn(sample: Float32Array, clean: Float32Array, timestep: number): Float32Array {
  const alphaBar = schedule.alphaBar(timestep);
  return sample.map((x, index) => (x - Math.sqrt(alphaBar) * clean[index]!) / Math.sqrt(1 - alphaBar));
}

function startAt({ timesteps }: Scheduler, encoded: Float32Array): Float32Array {
  return startLatent(schedule, { encoded, noise: encoded.map(Math.sin), timestep: timesteps[0]! });
}

type Predict = (sample: Float32Array, timestep: number) => Float32Array;

function sampleAll(scheduler: Scheduler, start: Float32Array, predict: Predict): Float32Array {
  return sampleUntil(scheduler, start, predict, -1);
}

/** The sample that `end` would be called with, or the last one. */
function sampleUntil(scheduler: Scheduler, start: Float32Array, predict: Predict, end: number): Float32Array {
  let state = { sample: start };
  for (const [index, timestep] of scheduler.timesteps.entries()) {
    if (timestep === end) break;
    const prediction = predict(state.sample, timestep);
    state = scheduler.step({ state, index, prediction, drawNoise: () => start.map(Math.cos) });
  }
  return state.sample;
}
