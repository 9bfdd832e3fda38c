import { describe, expect, it, test } from 'vitest';
import { type Sampling, sampleLatent } from '../../../../gpu-worker/diffusion/sample-latent.ts';
import type { Savepoint } from '../../../../gpu-worker/restore/restorer.ts';
import { createDdpm } from '../../../../gpu-worker/schedulers/ddpm.ts';
import { createDpmSolver } from '../../../../gpu-worker/schedulers/dpm-solver.ts';
import { guide } from '../../../../gpu-worker/schedulers/guidance.ts';
import { addNoise, createNoiseSchedule } from '../../../../gpu-worker/schedulers/noise-schedule.ts';
import type { Scheduler } from '../../../../gpu-worker/schedulers/scheduler.ts';
import { keyedNoise } from '../../../../gpu-worker/tensor/keyed-normals.ts';
import { elementCount, type Tensor } from '../../../../gpu-worker/tensor/tensor.ts';
import { cutTile, planLatentTiles } from '../../../../gpu-worker/tiling/latent-tiles.ts';

/** The loop with networks that are functions: with those of SeeSR it is in test/parity. */

const STEPS = 6;
const shape = [1, 3, 20, 28];
const count = elementCount(shape);
const noise = keyedNoise(5);
const WHOLE = planLatentTiles({ height: 20, width: 28, size: 28, overlap: 8 });
const TILES = planLatentTiles({ height: 20, width: 28, size: 16, overlap: 8 });
const clean: Tensor = { data: Float32Array.from({ length: count }, (_, index) => Math.sin(index / 7)), shape };

const schedule = createNoiseSchedule({
  trainSteps: 1000,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: 'scaled_linear',
});
const ddpm = createDdpm(schedule, { steps: STEPS, startSteps: 999, spacing: 'leading', offset: 1 });
const dpmSolver = createDpmSolver(schedule, { steps: STEPS });

/** Half the way to the clean latent, which the network gives itself. */
const halving: Scheduler = {
  timesteps: [2, 1, 0],
  step: ({ state, prediction }) => ({ sample: state.sample.map((value, index) => (value + prediction[index]!) / 2) }),
  expectClean: ({ prediction }) => prediction,
};

function startOf({ timesteps }: Scheduler): Savepoint {
  return { step: 0, state: { sample: addNoise(schedule, clean.data, noise('start', 0, count), timesteps[0]!) } };
}

/** The noise that leads to the clean latent. */
function noiseIn(latent: Tensor, expected: Tensor, timestep: number): Tensor {
  const alphaBar = schedule.alphaBar(timestep);
  const [signal, deviation] = [Math.sqrt(alphaBar), Math.sqrt(1 - alphaBar)];
  const data = latent.data.map((value, index) => (value - signal * expected.data[index]!) / deviation);
  return { data, shape: latent.shape };
}

function sampling(scheduler: Scheduler, given: Partial<Sampling> = {}): Sampling {
  return {
    shape,
    scheduler,
    start: startOf(scheduler),
    tiles: TILES,
    predict: async (tile, latent, index) => noiseIn(latent, cutTile(clean, tile), scheduler.timesteps[index]!),
    drawNoise: (index) => noise('step', index, count),
    watch: { signal: new AbortController().signal },
    ...given,
  };
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);
}

describe.each([
  ['ddpm', ddpm],
  ['dpm-solver++', dpmSolver],
] as const)('by the noise that the network sees, %s', (_name, scheduler) => {
  test.each([
    ['one tile', WHOLE],
    ['tiles', TILES],
  ])('%s: to the latent that the network leads to', async (_what, tiles) => {
    const { data, shape: resulting } = await sampleLatent(sampling(scheduler, { tiles }));
    expect(resulting).toEqual(shape);
    expect(largestDifference(data, clean.data)).toBeLessThan(1e-4);
  });

  test('goes on from every savepoint to the same bits', async () => {
    const saved: Savepoint[] = [];
    const whole = await sampleLatent(sampling(scheduler, { save: (savepoint) => saved.push(savepoint) }));
    expect(saved.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
    for (const start of saved) expect(await sampleLatent(sampling(scheduler, { start }))).toEqual(whole);
  });

  test('tells after every step the latent and the clean one that is expected', async () => {
    const steps: number[] = [];
    const latents: Tensor[] = [];
    const onStep = (latent: Tensor, step: number, expectClean: () => Tensor) => {
      steps.push(step);
      latents.push(latent);
      expect(largestDifference(expectClean().data, clean.data)).toBeLessThan(1e-4);
    };
    const watch = { signal: new AbortController().signal, onStep };
    const result = await sampleLatent(sampling(scheduler, { watch }));
    expect(steps).toEqual([1, 2, 3, 4, 5, 6]);
    expect(latents.at(-1)).toEqual(result);
  });
});

test('by the clean latent itself, each tile with a condition of its own', async () => {
  const sizes = new Set<string>();
  const start = { step: 0, state: { sample: new Float32Array(count) } };
  const { data } = await sampleLatent(
    sampling(halving, {
      start,
      predict: async (tile, latent) => {
        sizes.add(`${latent.shape}`);
        return cutTile(clean, tile);
      },
    }),
  );
  expect(sizes).toEqual(new Set(TILES.map(({ row, column }) => `${[1, 3, row.size, column.size]}`)));
  expect(
    largestDifference(
      data,
      clean.data.map((value) => (7 / 8) * value),
    ),
  ).toBeLessThan(1e-6);
});

test('guides the blended predictions of a batch, once a step', async () => {
  let [calls, guided] = [0, 0];
  const start = { step: 0, state: { sample: new Float32Array(count) } };
  const { data } = await sampleLatent(
    sampling(halving, {
      start,
      predict: async (tile) => {
        calls++;
        const part = cutTile(clean, tile);
        const [batch, ...rest] = part.shape;
        return { data: Float32Array.of(...part.data.map(() => 0), ...part.data), shape: [2 * batch!, ...rest] };
      },
      guide: (predictions) => {
        guided++;
        expect(predictions.shape).toEqual([2, ...shape.slice(1)]);
        return guide(predictions.data.subarray(0, count), predictions.data.subarray(count), 4);
      },
    }),
  );
  expect([calls, guided]).toEqual([3 * TILES.length, 3]);
  expect(
    largestDifference(
      data,
      clean.data.map((value) => (7 / 8) * 4 * value),
    ),
  ).toBeLessThan(1e-5);
});

describe('is watched', () => {
  it('tells of every tile of every step that is left', async () => {
    const told: string[] = [];
    const watch = {
      signal: new AbortController().signal,
      onTile: ({ step, steps, tile, tiles }: Record<'step' | 'steps' | 'tile' | 'tiles', number>) => {
        told.push(`${step}/${steps} ${tile}/${tiles}`);
      },
    };
    await sampleLatent(sampling(halving, { start: { ...startOf(halving), step: 1 }, watch }));
    const count = TILES.length;
    const expected = [2, 3].flatMap((step) => Array.from({ length: count + 1 }, (_, i) => `${step}/3 ${i}/${count}`));
    expect(told).toEqual(expected);
  });

  it('stops between two tiles', async () => {
    const controller = new AbortController();
    let calls = 0;
    const predict: Sampling['predict'] = async (tile) => {
      if (++calls === 2) controller.abort(new Error('enough'));
      return cutTile(clean, tile);
    };
    const running = sampleLatent(sampling(halving, { predict, watch: { signal: controller.signal } }));
    await expect(running).rejects.toThrow('enough');
    expect(calls).toBe(2);
  });
});
