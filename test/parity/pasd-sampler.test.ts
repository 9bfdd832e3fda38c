import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createNoiseSchedule, rates } from '../../gpu-worker/schedulers/noise-schedule.ts';
import { createUniPc } from '../../gpu-worker/schedulers/unipc.ts';
import { spaceTimesteps } from '../../shared/methods/timesteps.ts';
import { openCase } from '../support/recorded-case.ts';

/** What the README of the recorded set of PASD names of its sampler: each mechanism, left out, must be seen. */

const FOLDER = fileURLToPath(new URL('../fixtures/pasd/', import.meta.url));
const STEPS = 20;
const schedule = createNoiseSchedule({
  trainSteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
});
const linspace = spaceTimesteps(1000, { steps: STEPS, spacing: 'linspace', offset: 0 });

type Step = (input: { sample: Float32Array; index: number; prediction: Float32Array }) => Float32Array;

/** Takes all recorded predictions, one after the other, and compares the samples after each step. */
async function compare(id: 'scheduler' | 'scheduler_2023', step: Step) {
  const recorded = await openCase(id, FOLDER);
  let { data: sample } = await recorded.tensor(`sample_${STEPS}`);
  const { data: predictions } = await recorded.tensor(`eps_${STEPS}`);
  const samples: number[] = [];
  for (let index = 0; index < STEPS; index++) {
    const prediction = predictions.subarray(index * sample.length, (index + 1) * sample.length);
    sample = step({ sample, index, prediction });
    samples.push(...sample);
  }
  return await recorded.compare(`samples_${STEPS}`, samples);
}

function product(end: 'clean' | 'timestep-0'): Step {
  const scheduler = createUniPc(schedule, { steps: STEPS, end });
  let memory: readonly Float32Array[] | undefined;
  return ({ sample, index, prediction }) => {
    const state = { sample, ...(memory && { memory }) };
    const next = scheduler.step({ state, index, prediction, drawNoise: () => prediction });
    memory = next.memory;
    return next.sample;
  };
}

interface Parts {
  timesteps?: readonly number[];
  order?: number;
  corrects?: boolean;
  lowersLast?: boolean;
  bh?: 1 | 2;
}

/** The formulas once more, value by value as diffusers 0.21 has them, with parts that can be others. */
function formulas({ timesteps = linspace, order = 2, corrects = true, lowersLast = true, bh = 2 }: Parts = {}): Step {
  const at = [...timesteps, 0].map((timestep) => rates(schedule, timestep));
  const factor = (h: number) => (bh === 2 ? Math.expm1(-h) : -h);
  const orderAt = (index: number) => Math.min(order, index + 1, lowersLast ? STEPS - index : order);
  const cleans: Float32Array[] = [];
  let last: Float32Array | undefined;
  const move = (index: number, value: number, place: number, more: number) => {
    const [from, to] = [at[index]!, at[index + 1]!];
    const h = to.lambda - from.lambda;
    const straight = (to.sigma / from.sigma) * value - to.alpha * Math.expm1(-h) * cleans[index]![place]!;
    return straight - to.alpha * factor(h) * more;
  };
  /** Of a step, how far back the clean latent of the one before lies, and the difference to it. */
  const back = (index: number, place: number) => {
    const ratio = (at[index - 1]!.lambda - at[index]!.lambda) / (at[index + 1]!.lambda - at[index]!.lambda);
    return { ratio, slope: (cleans[index - 1]![place]! - cleans[index]![place]!) / ratio };
  };
  return ({ sample, index, prediction }) => {
    const { alpha, sigma } = at[index]!;
    cleans.push(sample.map((value, place) => (value - sigma * prediction[place]!) / alpha));
    const start = last;
    const corrected = sample.map((value, place) => {
      if (!start || !corrects) return value;
      const turn = cleans[index]![place]! - cleans[index - 1]![place]!;
      if (orderAt(index - 1) === 1) return move(index - 1, start[place]!, place, turn / 2);
      const h = at[index]!.lambda - at[index - 1]!.lambda;
      const { ratio, slope } = back(index - 1, place);
      const phi = Math.expm1(-h) / -h - 1;
      const [first, second] = [phi / factor(h), (2 * (phi / -h - 1 / 2)) / factor(h)];
      const share = (first - second) / (1 - ratio);
      return move(index - 1, start[place]!, place, share * slope + (first - share) * turn);
    });
    last = corrected;
    return corrected.map((value, place) =>
      move(index, value, place, orderAt(index) === 1 ? 0 : back(index, place).slope / 2),
    );
  };
}

test('the sampler gives the recorded samples, and so do its formulas', async () => {
  expect((await compare('scheduler', product('clean'))).passes).toBe(true);
  expect((await compare('scheduler_2023', product('timestep-0'))).passes).toBe(true);
  expect((await compare('scheduler_2023', formulas())).passes).toBe(true);
});

test('where the last step ends is seen', async () => {
  const { passes, largestDifference } = await compare('scheduler', product('timestep-0'));
  expect(passes).toBe(false);
  expect(largestDifference).toBeGreaterThan(0.05); // the tolerance is 3e-3
});

const leading = spaceTimesteps(1000, { steps: STEPS, spacing: 'leading', offset: 1 });

test.each<[string, Parts]>([
  ['the corrector', { corrects: false }],
  ['the second order', { order: 1 }],
  ['the lower order in the last step', { lowersLast: false }],
  ['the second of its two functions B', { bh: 1 }],
  ['evenly spaced timesteps from the last one on', { timesteps: leading }],
])('without %s the samples are others', async (_, parts) => {
  const { passes, largestDifference } = await compare('scheduler_2023', formulas(parts));
  expect(passes).toBe(false);
  expect(largestDifference).toBeGreaterThan(0.05);
});
