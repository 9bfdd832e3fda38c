import { describe, expect, test } from 'vitest';
import { createResidualShifting, shiftTables } from '../../../../gpu-worker/schedulers/residual-shifting.ts';

/** Golden numbers of the published schedules, computed in double precision by its formulas. */

const COMMON = { mostShift: 0.99, power: 0.3, noiseLevel: 2 };
const FIFTEEN = { ...COMMON, steps: 15, leastNoise: 0.04 };
const FOUR = { ...COMMON, steps: 4, leastNoise: 0.2 };

describe.each([
  {
    config: FIFTEEN,
    roots: { 0: 0.02, 1: 0.1171651, 2: 0.1763046, 7: 0.4758577, 13: 0.9086064, 14: 0.99 },
    steps: {
      14: [0.8423279, 0.1576721, 0.7215779],
      7: [0.7509148, 0.2490852, 0.411601],
      1: [0.0291383, 0.9708617, 0.0394129],
      0: [0, 1, 0],
    },
    deviations: { 14: 2.2181975, 7: 1.3804935, 0: 1.0007997 },
  },
  {
    config: FOUR,
    roots: { 0: 0.1, 1: 0.5200964, 2: 0.761382, 3: 0.99 },
    steps: {
      3: [0.5914728, 0.4085272, 0.9732918],
      2: [0.466619, 0.533381, 0.7596833],
      1: [0.0369685, 0.9630315, 0.1962683],
      0: [0, 1, 0],
    },
    deviations: { 3: 2.2181975, 2: 1.8217602, 1: 1.4429141, 0: 1.0198039 },
  },
])('$config.steps steps', ({ config, roots, steps, deviations }) => {
  const tables = shiftTables(config);

  test('shift as much as published', () => {
    for (const [timestep, root] of Object.entries(roots)) expect(tables.rootShift[+timestep]).toBeCloseTo(root, 7);
    for (const [timestep, size] of Object.entries(deviations)) expect(tables.deviation[+timestep]).toBeCloseTo(size, 6);
  });

  test('mix sample, clean latent and noise as published', () => {
    for (const [timestep, [ofSample, ofClean, noise]] of Object.entries(steps)) {
      expect(tables.ofSample[+timestep]).toBeCloseTo(ofSample!, 7);
      expect(tables.ofClean[+timestep]).toBeCloseTo(ofClean!, 7);
      expect(Math.sqrt(tables.variance[+timestep]!)).toBeCloseTo(noise!, 7);
    }
  });

  test('begin at the latent of the photo, end at what the network expects, without noise', () => {
    const scheduler = createResidualShifting(config);
    const start = scheduler.start(new Float32Array([3, -1]), new Float32Array([0.5, 0]));
    expect(start[0]).toBeCloseTo(3 + 0.5 * 1.98, 6);
    expect(start[1]).toBe(-1);
    const prediction = new Float32Array([0.25, 7]);
    const last = { state: { sample: start }, index: config.steps - 1, prediction };
    const end = scheduler.step({ ...last, drawNoise: () => expect.fail('the last step draws') });
    expect(end.sample).toEqual(prediction);
    expect(scheduler.expectClean({ sample: start, index: 0, prediction })).toEqual(prediction);
  });

  test('show the network a latent of deviation 1, and step on from the latent as it is', () => {
    const scheduler = createResidualShifting(config);
    const sample = new Float32Array([tables.deviation.at(-1)!]);
    expect(scheduler.normalize(sample, 0)[0]).toBeCloseTo(1, 6);
    const zeros = new Float32Array(1);
    const next = scheduler.step({ state: { sample }, index: 0, prediction: zeros, drawNoise: () => zeros });
    expect(next.sample[0]).toBeCloseTo(tables.ofSample.at(-1)! * tables.deviation.at(-1)!, 6);
  });
});
