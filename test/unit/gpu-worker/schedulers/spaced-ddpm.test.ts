import { describe, expect, it, test } from 'vitest';
import { addNoise, createNoiseSchedule } from '../../../../gpu-worker/schedulers/noise-schedule.ts';
import type { SamplerState } from '../../../../gpu-worker/schedulers/scheduler.ts';
import { createSpacedDdpm } from '../../../../gpu-worker/schedulers/spaced-ddpm.ts';

const schedule = createNoiseSchedule({
  trainSteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
});
const even = (steps: number, startSteps?: number) => ({ steps, spacing: 'even', offset: 0, startSteps }) as const;
const noNoise = () => Float32Array.of(0);

describe('timesteps that are spread evenly', () => {
  // Those of the published sampler: halves of the distance go to the even neighbor.
  it.each([
    { steps: 1, expected: [999] },
    { steps: 2, expected: [999, 0] },
    { steps: 3, expected: [999, 500, 0] },
    { steps: 4, expected: [999, 666, 333, 0] },
    { steps: 7, expected: [999, 832, 666, 500, 333, 166, 0] },
  ])('$steps', ({ steps, expected }) => {
    expect(createSpacedDdpm(schedule, even(steps)).timesteps).toEqual(expected);
  });

  test('are as many as are asked for, all different, from the last to the first', () => {
    for (let steps = 2; steps <= 1000; steps += 26) {
      const { timesteps } = createSpacedDdpm(schedule, even(steps));
      expect([timesteps[0], timesteps.at(-1), new Set(timesteps).size]).toEqual([999, 0, steps]);
    }
    expect(createSpacedDdpm(schedule, even(200)).timesteps.slice(170, 178)).toEqual([
      146, 141, 136, 131, 126, 120, 115, 110,
    ]);
  });

  test('above the start are left out', () => {
    expect(createSpacedDdpm(schedule, even(4, 400)).timesteps).toEqual([333, 0]);
    expect(() => createSpacedDdpm(schedule, even(1, 400))).toThrow('with 1 steps it must be 999 or more');
    expect(() => createSpacedDdpm(schedule, even(1001))).toThrow('it must be a whole number from 1 to 1000');
  });
});

/** Factors of sample and noise in a step, by what comes of one of them alone. */
function factors(steps: number, index: number) {
  const scheduler = createSpacedDdpm(schedule, even(steps));
  const after = (sample: number, prediction: number, noise: number) =>
    scheduler.step({
      state: { sample: Float32Array.of(sample) },
      index,
      prediction: Float32Array.of(prediction),
      drawNoise: () => Float32Array.of(noise),
    }).sample[0]!;
  const alphaBar = schedule.alphaBar(scheduler.timesteps[index]!);
  const clean = -after(0, 1, 0) / Math.sqrt(1 / alphaBar - 1);
  return { clean, sample: after(1, 0, 0) - clean / Math.sqrt(alphaBar), noise: after(0, 0, 1) };
}

// Golden numbers: computed in double precision from the formulas of the respaced process.
it.each([
  { steps: 200, index: 0, clean: 0.00412836, sample: 0.9700741, noise: 0.2416452 },
  { steps: 200, index: 99, clean: 0.01738199, sample: 0.9789129, noise: 0.1537032 },
  { steps: 200, index: 198, clean: 0.8356141, sample: 0.1643854, noise: 0.0266566 },
  { steps: 200, index: 199, clean: 1, sample: 0, noise: 0 },
  { steps: 4, index: 0, clean: 0.3112357, sample: 0.1893429, noise: 0.9269498 },
  { steps: 4, index: 1, clean: 0.656755, sample: 0.2303053, noise: 0.6461973 },
  { steps: 4, index: 2, clean: 0.9985967, sample: 0.001337447, noise: 0.02914049 },
])('step $index of $steps has the coefficients of the respaced process', ({ steps, index, ...expected }) => {
  const actual = factors(steps, index);
  for (const name of ['clean', 'sample', 'noise'] as const) expect(actual[name]).toBeCloseTo(expected[name], 6);
});

// A network that says exactly what the sample holds, whatever it predicts.
it.each(['noise', 'velocity'] as const)('gives the clean latent back: %s', (predicts) => {
  const scheduler = createSpacedDdpm(schedule, { ...even(7), predicts });
  const clean = Float32Array.of(0.5, -1.25, 3);
  const noise = Float32Array.of(-0.7, 1.1, 0.2);
  let state: SamplerState = { sample: addNoise(schedule, clean, noise, 999) };
  for (const [index, timestep] of scheduler.timesteps.entries()) {
    const [alpha, sigma] = [Math.sqrt(schedule.alphaBar(timestep)), Math.sqrt(1 - schedule.alphaBar(timestep))];
    const inIt = state.sample.map((value, at) => (value - alpha * clean[at]!) / sigma);
    const prediction = predicts === 'noise' ? inIt : inIt.map((value, at) => alpha * value - sigma * clean[at]!);
    const expected = scheduler.expectClean({ sample: state.sample, index, prediction });
    for (const [at, value] of expected.entries()) expect(value).toBeCloseTo(clean[at]!, 4);
    state = scheduler.step({ state, index, prediction, drawNoise: () => noise });
  }
  for (const [at, value] of state.sample.entries()) expect(value).toBeCloseTo(clean[at]!, 5);
});

test('noise is drawn for every step but the last', () => {
  const scheduler = createSpacedDdpm(schedule, even(3));
  const drawn: number[] = [];
  for (const index of scheduler.timesteps.keys()) {
    scheduler.step({
      state: { sample: Float32Array.of(1) },
      index,
      prediction: noNoise(),
      drawNoise: () => {
        drawn.push(index);
        return noNoise();
      },
    });
  }
  expect(drawn).toEqual([0, 1]);
});
