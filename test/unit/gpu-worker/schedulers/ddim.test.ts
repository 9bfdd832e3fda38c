import { describe, expect, it, test } from 'vitest';
import { createDdim, ddimStep } from '../../../../gpu-worker/schedulers/ddim.ts';
import { combine, createNoiseSchedule } from '../../../../gpu-worker/schedulers/noise-schedule.ts';

/** That of LDM-SR. */
const schedule = createNoiseSchedule({
  trainSteps: 1000,
  betaStart: 0.0015,
  betaEnd: 0.0155,
  betaSchedule: 'scaled_linear',
});
const timestepsOf = (steps: number) => createDdim(schedule, { steps, eta: 1 }).timesteps;

// Golden numbers: computed in double precision from the formulas of the paper.
describe('DDIM', () => {
  it.each([
    { steps: 100, index: 0, alphaBar: 0.0007572153, previous: 0.000882854, sigma: 0.377216 },
    { steps: 50, index: 0, alphaBar: 0.000882854, sigma: 0.509461 },
    { steps: 200, index: 0, alphaBar: 0.0007007019, sigma: 0.273183 },
    { steps: 100, index: 99, alphaBar: 0.9969956, previous: 0.9985, sigma: 0.0274267 },
    { steps: 8, index: 7, alphaBar: 0.9969956, previous: 0.9985, sigma: 0.0274267 },
  ])('has the numbers of call $index of $steps', ({ steps, index, ...expected }) => {
    const actual = ddimStep(schedule, { timesteps: timestepsOf(steps), index, eta: 1 });
    expect(actual.alphaBar).toBeCloseTo(expected.alphaBar, 7);
    expect(actual.sigma).toBeCloseTo(expected.sigma, 6);
    if (expected.previous !== undefined) expect(actual.previous).toBeCloseTo(expected.previous, 7);
  });

  it.each([
    { steps: 1, calls: 1, first: 1 },
    { steps: 8, calls: 8, first: 876 },
    { steps: 12, calls: 13, first: 997 },
    { steps: 30, calls: 31, first: 991 },
    { steps: 64, calls: 67, first: 991 },
    { steps: 100, calls: 100, first: 991 },
    { steps: 200, calls: 200, first: 996 },
  ])('calls $calls timesteps from $first for $steps', ({ steps, calls, first }) => {
    const timesteps = timestepsOf(steps);
    expect([timesteps.length, timesteps[0], timesteps.at(-1)]).toEqual([calls, first, 1]);
  });

  it.each([3, 9, 27, 36, 37, 101, 111, 251, 333, 501, 1000])('refuses %s, which would call timestep 1000', (steps) => {
    expect(() => timestepsOf(steps)).toThrow(/the first timestep is 1000, beyond the training's 999/);
  });

  const sample = Float32Array.of(0.5, -2, 3);
  const prediction = Float32Array.of(1, -0.25, 0.125);

  test('without noise asks for none, and keeps some of the prediction even in the last step', () => {
    const scheduler = createDdim(schedule, { steps: 5, eta: 0 });
    const drawNoise = () => {
      throw new Error('no noise');
    };
    const clean = scheduler.expectClean({ sample, index: 4, prediction });
    const { sample: last } = scheduler.step({ state: { sample }, index: 4, prediction, drawNoise });
    for (const [index, value] of last.entries()) {
      const expected = Math.sqrt(0.9985) * clean[index]! + 0.0387298 * prediction[index]!;
      expect(value).toBeCloseTo(expected, 5);
    }
  });

  test('of the velocity it makes the same step as of the noise that follows from it', () => {
    const step = { index: 2, drawNoise: () => sample };
    const [ofNoise, ofVelocity] = (['noise', 'velocity'] as const).map((predicts) =>
      createDdim(schedule, { steps: 5, eta: 0, predicts }),
    );
    const alphaBar = schedule.alphaBar(ofNoise!.timesteps[2]!);
    const noise = combine(Math.sqrt(1 - alphaBar), sample, Math.sqrt(alphaBar), prediction);
    const expected = ofNoise!.step({ ...step, state: { sample }, prediction: noise }).sample;
    const found = ofVelocity!.step({ ...step, state: { sample }, prediction }).sample;
    for (const [place, value] of found.entries()) expect(value).toBeCloseTo(expected[place]!, 5);
  });

  test('adds noise by its share, in the last step too', () => {
    const [some, all] = [0.5, 1].map((eta) => {
      const noise = { 0: Float32Array.of(0, 0, 0), 1: Float32Array.of(1, 1, 1) };
      const step = (drawn: 0 | 1) =>
        createDdim(schedule, { steps: 5, eta }).step({
          state: { sample },
          index: 4,
          prediction,
          drawNoise: () => noise[drawn],
        });
      return step(1).sample[0]! - step(0).sample[0]!;
    });
    expect(all).toBeCloseTo(0.0274267, 6);
    expect(some).toBeCloseTo(0.0274267 / 2, 6);
  });
});
