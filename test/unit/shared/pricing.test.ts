import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exactCondition } from '../../../gpu-worker/diffusion/condition.ts';
import { createDdpm } from '../../../gpu-worker/schedulers/ddpm.ts';
import { createDpmSolver } from '../../../gpu-worker/schedulers/dpm-solver.ts';
import { createNoiseSchedule } from '../../../gpu-worker/schedulers/noise-schedule.ts';
import { elementCount } from '../../../gpu-worker/tensor/tensor.ts';
import { planLatentTiles } from '../../../gpu-worker/tiling/latent-tiles.ts';
import type { SuperResolver } from '../../../gpu-worker/tiling/picture-tiles.ts';
import type { LoadedStage } from '../../../gpu-worker/tiling/run-stages.ts';
import { realEsrgan, realEsrganFast } from '../../../shared/methods/real-esrgan.ts';
import { METHOD_IDS, methodOf, OWN_MODELS, SHIPPED_IDS } from '../../../shared/methods/registry.ts';
import { coverLatent, LATENT_PIXELS, latentOverlap } from '../../../shared/methods/tile-plan.ts';
import { completeParameters, requestedParametersSchema } from '../../../shared/parameters.ts';
import { isSold, PRICE_LISTS, parsePrices, planWork, priceListSchema, priceOf } from '../../../shared/pricing.ts';
import { upscaleImage } from '../../support/bands.ts';

const parametersOf = (asked: object) => completeParameters(requestedParametersSchema.parse(asked), OWN_MODELS);
const { standard } = PRICE_LISTS;
const SHIPPED = { 'real-esrgan': realEsrgan, 'real-esrgan-fast': realEsrganFast };

describe('the worker runs the plan', () => {
  test.each(SHIPPED_IDS)('%s: as many tiles as the network is called for', async (model) => {
    const sizes = [1, 255, 256, 257, 380, 384, 385, 700].flatMap((width) =>
      [1, 3].map((height) => ({ width, height })),
    );
    for (const size of [...sizes, { width: 2, height: 600 }, { width: 1100, height: 1000 }]) {
      let calls = 0;
      const { context, stages } = SHIPPED[model];
      const stage = (index: number): LoadedStage => ({
        takes: [index === 0 ? 'input' : 'values'],
        gives: 'values',
        context: stages.context,
        scale: index === stages.count - 1 ? 4 : 1,
        run: async (inputs) => {
          calls++;
          const [, , height, width] = Object.values(inputs)[0]!.shape as [number, number, number, number];
          const shape = index === stages.count - 1 ? [1, 3, 4 * height, 4 * width] : [1, 1, height, width];
          return { data: new Float32Array(elementCount(shape)), shape };
        },
      });
      const resolver: SuperResolver = {
        scale: 4,
        inputChannels: 3,
        outputChannels: 3,
        context,
        unit: 1,
        stages: Array.from({ length: stages.count }, (_, index) => stage(index)),
        release: async () => {},
      };
      const pixels = { ...size, channels: 3 as const, data: new Uint8Array(size.width * size.height * 3) };
      const { signal } = new AbortController();
      await upscaleImage(pixels, resolver, { tileSize: methodOf({ model }).tileSizes[0], signal, onTile: () => {} });
      expect(planWork(size, parametersOf({ model })), JSON.stringify(size)).toEqual({ tiles: calls, steps: 1, calls });
    }
  });

  test('seesr: tiles of the picture that the photo becomes', () => {
    const parameters = parametersOf({ model: 'seesr' });
    const [size] = methodOf({ model: 'seesr' }).tileSizes;
    for (const [width, height] of [
      [1, 1],
      [60, 40],
      [128, 128],
      [160, 90],
      [192, 200],
      [321, 50],
    ] as const) {
      const photo = { width, height, channels: 3 as const, data: new Uint8Array(width * height * 3) };
      const { image } = exactCondition(photo);
      const extent = { height: image.height / LATENT_PIXELS, width: image.width / LATENT_PIXELS };
      const tiles = planLatentTiles({ ...extent, size, overlap: latentOverlap(size) });
      expect(planWork(photo, parameters).tiles, `${width}×${height}`).toBe(tiles.length);
    }
  });

  test('seesr: steps are those that the schedulers call', () => {
    const noising = { trainSteps: 1000, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: 'scaled_linear' } as const;
    const schedule = createNoiseSchedule(noising);
    const asked = fc.record({
      model: fc.constantFrom('seesr', 'seesr-turbo'),
      steps: fc.integer({ min: 1, max: 200 }),
      start_steps: fc.integer({ min: 200, max: 999 }),
      scheduler: fc.constantFrom('ddpm', 'dpm-solver++'),
    });
    fc.assert(
      fc.property(asked, ({ model, steps, start_steps, scheduler }) => {
        const spacing = model === 'seesr' ? 'leading' : 'trailing';
        fc.pre(model === 'seesr' || start_steps >= Math.round(1000 / steps) - 1);
        const options = { steps, startSteps: start_steps, spacing, offset: 1 } as const;
        const { timesteps } = (scheduler === 'ddpm' ? createDdpm : createDpmSolver)(schedule, options);
        const plan = planWork({ width: 100, height: 100 }, parametersOf({ model, steps, start_steps, scheduler }));
        expect(plan.steps).toBe(timesteps.length);
      }),
      { numRuns: 300, seed: 1 },
    );
  });
});

describe('price', () => {
  // Worked out by hand: 1024×768 → 4096×3072 = 12.582912 MP.
  test.each([
    { asked: { model: 'real-esrgan' }, price: 25_166 },
    { asked: { model: 'real-esrgan-fast' }, price: 6_292 },
    // The network does the same work for any size of the result.
    { asked: { model: 'real-esrgan', scale: 1 }, price: 25_166 },
    { asked: { model: 'real-esrgan-fast', scale: 1 }, price: 6_292 },
    { asked: { model: 'real-esrgan-fast', target: { width: 2000 } }, price: 6_292 },
    { asked: { model: 'real-esrgan-fast', target: { megapixels: 1 } }, price: 6_292 },
    { asked: { model: 'real-esrgan', fidelity: 0.99 }, price: 25_166 },
    { asked: { model: 'real-esrgan', fidelity: 1 }, price: 1_000 },
  ])('$asked of 1024×768 costs $price', ({ asked, price }) => {
    expect(priceOf({ width: 1024, height: 768 }, parametersOf(asked), standard)).toBe(price);
  });

  // 256×256 → 1024×1024 → latents of 128: two tiles of 80 a side. DDPM calls 981, 961, …; half of them are below 500.
  test.each([
    { asked: {}, price: 4 * 50 * 2 * 100 },
    { asked: { steps: 20 }, price: 4 * 20 * 2 * 100 },
    { asked: { start_steps: 500 }, price: 4 * 25 * 2 * 100 },
    { asked: { guidance_scale: 1 }, price: 4 * 50 * 100 },
    // Fidelity 1 starts at 199, so at 181, and without guidance.
    { asked: { fidelity: 1 }, price: 4 * 10 * 100 },
    { asked: { model: 'seesr-turbo' }, price: 1_000 },
  ])('seesr with $asked costs $price for 256×256', ({ asked, price }) => {
    expect(coverLatent(128, 96, 32).map(({ size }) => size)).toEqual([80, 80]);
    expect(priceOf({ width: 256, height: 256 }, parametersOf({ model: 'seesr', ...asked }), standard)).toBe(price);
  });

  test('is a whole number, exact for any size, never below the minimum nor below the unrounded price', () => {
    const side = fc.integer({ min: 1, max: 16_384 });
    const rate = fc.integer({ min: 0, max: 1_000_000_000 });
    fc.assert(
      fc.property(side, side, rate, rate, (width, height, perMegapixel, minimum) => {
        const prices = {
          ...standard,
          minimum,
          per_output_megapixel: { ...standard.per_output_megapixel, 'real-esrgan': perMegapixel },
        };
        const price = priceOf({ width, height }, parametersOf({ model: 'real-esrgan', scale: 1 }), prices);
        expect(Number.isSafeInteger(price)).toBe(true);
        const millionths = BigInt(16 * width * height) * BigInt(perMegapixel);
        const isTight = BigInt(price) * 1_000_000n >= millionths && BigInt(price - 1) * 1_000_000n < millionths;
        expect(price === minimum || isTight).toBe(true);
        expect(price).toBeGreaterThanOrEqual(minimum);
      }),
    );
  });

  test('is that of the work: the same at every size of the result, and never less for more', () => {
    const side = fc.integer({ min: 1, max: 2_000 });
    const more = fc.integer({ min: 0, max: 500 });
    const scale = fc.double({ min: 1, max: 4, noNaN: true });
    const asked = fc.record({
      model: fc.constantFrom(...METHOD_IDS),
      fidelity: fc.constantFrom(0, 0.3, 0.7, 1),
    });
    const target = fc.oneof(
      fc.record({ width: fc.integer({ min: 1, max: 8_000 }) }),
      fc.record({ megapixels: fc.double({ min: 0.001, max: 64, noNaN: true }) }),
    );
    const free = { ...standard, minimum: 0 };
    fc.assert(
      fc.property(
        side,
        side,
        more,
        more,
        asked,
        scale,
        target,
        (width, height, wider, higher, given, scale, target) => {
          const [small, large] = [
            { width, height },
            { width: width + wider, height: height + higher },
          ];
          const whole = parametersOf(given);
          const price = priceOf(small, whole, free);
          for (const enlargement of [{ scale }, { target }]) {
            const other = parametersOf({ ...given, ...enlargement });
            expect(planWork(small, other)).toEqual(planWork(small, whole));
            expect(priceOf(small, other, free)).toBe(price);
          }
          expect(planWork(large, whole).calls).toBeGreaterThanOrEqual(planWork(small, whole).calls);
          expect(priceOf(large, whole, free)).toBeGreaterThanOrEqual(price);
          if (planWork(small, whole).calls === 0) expect(price).toBe(0);
          else expect(price).toBeGreaterThan(0);
        },
      ),
    );
  });

  test('never rises with fidelity', () => {
    for (const model of METHOD_IDS) {
      const dial = Array.from({ length: 101 }, (_, hundredths) => parametersOf({ model, fidelity: hundredths / 100 }));
      const costs = dial.map((parameters) =>
        priceOf({ width: 300, height: 200 }, parameters, { ...standard, minimum: 0 }),
      );
      expect(costs).toEqual(costs.toSorted((a, b) => b - a));
      expect(costs.at(-1), model).toBeLessThan(costs[0]!);
    }
  });

  test('is nothing by the free list, and both lists are valid', () => {
    for (const model of METHOD_IDS) {
      expect(priceOf({ width: 4000, height: 4000 }, parametersOf({ model }), PRICE_LISTS.free)).toBe(0);
    }
    for (const list of Object.values(PRICE_LISTS)) expect(priceListSchema.parse(list)).toEqual(list);
  });

  test('a list sells the models it names, and cannot name unknown ones', () => {
    const list = { name: 'few', minimum: 7, per_output_megapixel: { 'real-esrgan-fast': 3 }, per_network_call: {} };
    const prices = parsePrices(JSON.stringify(list));
    expect(prices).toEqual(list);
    expect(METHOD_IDS.filter((model) => isSold({ model }, prices))).toEqual(['real-esrgan-fast']);
    expect(priceOf({ width: 1000, height: 1000 }, parametersOf({ model: 'real-esrgan-fast' }), prices)).toBe(48);
    for (const model of ['seesr', 'real-esrgan'] as const) {
      expect(() => priceOf({ width: 10, height: 10 }, parametersOf({ model }), prices)).toThrow(
        `${model} is not sold here: the price list few has no price of it; it has real-esrgan-fast.`,
      );
    }
    const wrong = { ...list, per_network_call: { 'real-esrgan-fast': 3 } };
    expect(() => parsePrices(JSON.stringify(wrong))).toThrow('per_network_call');
  });
});
