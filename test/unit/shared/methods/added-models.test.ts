import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { checkCommercialUse, forbidsCommercialUse } from '../../../../shared/commercial-use.ts';
import { installedModels, modelVariables, readVariables } from '../../../../shared/configuration.ts';
import { DEFAULT_LIMITS } from '../../../../shared/limits.ts';
import { modelFactsSchema } from '../../../../shared/methods/model-facts.ts';
import type { OnePassMethod } from '../../../../shared/methods/one-pass.ts';
import { defaultModel, methodOf, OWN_MODELS } from '../../../../shared/methods/registry.ts';
import { coverCores, coverParts } from '../../../../shared/methods/tile-plan.ts';
import { checkSizes, outputSize } from '../../../../shared/output-size.ts';
import { workOf } from '../../../../shared/pace.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { listedPrice, PRICE_LISTS, parsePrices, planWork, priceOf } from '../../../../shared/pricing.ts';
import { countWork, readWorkCounts } from '../../../../shared/work-counts.ts';
import { ADDED_MODELS, addedModels } from '../../../support/added-models.ts';
import { sampleJob } from '../../../support/sample-job.ts';

const NAMES = Object.keys(ADDED_MODELS) as (keyof typeof ADDED_MODELS)[];
const INSTALLED = [...OWN_MODELS, ...addedModels(...NAMES)];
const complete = (asked: object) => completeParameters(requestedParametersSchema.parse(asked), INSTALLED);
const PHOTO = { width: 1000, height: 600 };

describe.each(NAMES)('%s', (model) => {
  const facts = ADDED_MODELS[model];
  const { scale } = facts;

  test('its facts go with the job, and are all that anybody needs', () => {
    const parameters = complete({ model });
    expect(parameters).toMatchObject({ model, model_facts: facts, scale });
    expect(modelFactsSchema.parse(parameters.model_facts)).toEqual(facts);
    expect(methodOf(parameters)).toMatchObject({ id: facts.method, name: facts.title, license: facts.license, scale });
  });

  test('a result is as large as the network makes it, at most', () => {
    expect(outputSize(PHOTO, complete({ model }))).toEqual({ width: 1000 * scale, height: 600 * scale });
    expect(outputSize(PHOTO, complete({ model, scale: 1 }))).toEqual(PHOTO);
    const more = () => complete({ model, scale: scale + 0.5 });
    expect(more).toThrow(`scale is ${scale + 0.5}; ${model} enlarges by at most ${scale}.`);
    const target = complete({ model, target: { width: 1000 * scale } });
    expect(outputSize(PHOTO, target)).toEqual({ width: 1000 * scale, height: 600 * scale });
    const wide = complete({ model, target: { width: 1000 * scale + 1 } });
    expect(() => checkSizes(PHOTO, wide, DEFAULT_LIMITS)).toThrow(`(1 to ${scale} times its sides)`);
  });

  test('the same work costs the same at any scale', () => {
    const usual = priceOf(PHOTO, complete({ model: '4x-usual' }), PRICE_LISTS.standard);
    const perShare = facts.method === 'compact' ? usual / 4 : usual;
    const price = priceOf(PHOTO, complete({ model }), PRICE_LISTS.standard);
    expect(Math.abs(price - Math.max(1_000, facts.work_share * perShare))).toBeLessThanOrEqual(0.6 * scale ** 2 + 1);
    expect(priceOf(PHOTO, complete({ model, fidelity: 1 }), PRICE_LISTS.standard)).toBe(1_000);
    expect(priceOf(PHOTO, complete({ model }), PRICE_LISTS.free)).toBe(0);
    expect(workOf(PHOTO, complete({ model }))).toBeCloseTo(0.6 * facts.work_share);
  });

  test('its tiles and parts begin where its unshuffle does, and cover a photo at every size of tiles', () => {
    const { tileSizes, context, unit, stages } = methodOf({ model, model_facts: facts }) as OnePassMethod<
      string,
      'built'
    >;
    expect(unit).toBe(facts.shuffle);
    expect(context).toBeLessThanOrEqual(facts.context);
    for (const tileSize of tileSizes) {
      const parts = coverParts({ width: 5_000, height: 3_001 }, { tileSize, scale, context, unit });
      for (const [extent, spans] of [
        [5_000, parts.columns],
        [3_001, parts.rows],
      ] as const) {
        expect(spans.every(({ start }) => start % unit === 0)).toBe(true);
        expect(spans.at(-1)!.start + spans.at(-1)!.size).toBe(extent);
        const cores = coverCores(spans[0]!.size, tileSize, { context: stages.context, unit });
        const isFit = (size: number) => size <= tileSize - (cores.length > 1 ? 2 * stages.context : 0);
        expect(cores.every(({ start, size }) => start % unit === 0 && isFit(size))).toBe(true);
        expect(cores.reduce((sum, { size }) => sum + size, 0)).toBeGreaterThanOrEqual(spans[0]!.size);
      }
    }
    const tiles = stages.count;
    expect(planWork({ width: 20, height: 20 }, complete({ model }))).toEqual({ tiles, steps: 1, calls: tiles });
  });
});

test('only an installed model is one, and a method is none', () => {
  for (const model of ['esrgan', 'compact', '4x-unknown']) {
    expect(() => complete({ model })).toThrow(`${model} is not installed; installed: seesr, `);
  }
  expect(() => complete({ model: '1x-clean', denoise: 1 })).toThrow('(real-esrgan-fast has it)');
  expect(() => requestedParametersSchema.parse({ model: '../x' })).toThrow();
  expect(() => requestedParametersSchema.parse({ model: '1x-clean', model_facts: ADDED_MODELS['1x-clean'] })).toThrow();
});

test('one of the program is the default; where there is none, the first that was added', () => {
  expect(defaultModel([...addedModels('1x-clean'), { model: 'seesr-turbo' }])).toBe('seesr-turbo');
  expect(defaultModel(addedModels('3x-compact', '1x-clean'))).toBe('3x-compact');
});

test('the large results of one that enlarges by eight meet the limits', () => {
  const limits = { ...DEFAULT_LIMITS, max_output_pixels: 16e6 };
  expect(() => checkSizes({ width: 500, height: 500 }, complete({ model: '8x-large' }), limits)).not.toThrow();
  expect(() => checkSizes({ width: 501, height: 500 }, complete({ model: '8x-large' }), limits)).toThrow(
    'At scale 7.99, 4003×3995, it would fit.',
  );
});

test('a price list sells models that were added by their method', () => {
  const prices = parsePrices(
    JSON.stringify({ name: 'few', minimum: 0, per_output_megapixel: { esrgan: 10 }, per_network_call: {} }),
  );
  expect(addedModels(...NAMES).map((model) => listedPrice(model, prices)?.per_output_megapixel)).toEqual([
    10,
    160,
    2,
    4,
    10,
    10,
    30,
    undefined,
  ]);
  expect(() => priceOf(PHOTO, complete({ model: '3x-compact' }), prices)).toThrow(
    '3x-compact is not sold here: the price list few has no price of its method, compact',
  );
  expect(() => parsePrices(JSON.stringify({ ...prices, per_output_megapixel: { '4x-usual': 1 } }))).toThrow();
});

test('their work is counted by their method', () => {
  const parameters = complete({ model: '2x-small' });
  const job = { ...sampleJob(0, { parameters }), status: 'queued' as const, work: 500 };
  const counts = countWork(null, job);
  expect(counts).toEqual({ open_jobs_esrgan: 1, open_work_esrgan: 500 });
  expect(readWorkCounts((name) => counts[name])).toEqual({
    esrgan: { open_jobs: 1, open_work: 500, done_jobs: 0, done_work: 0 },
  });
});

test('a price list that takes money for a model that must not be sold is refused', () => {
  const others = OWN_MODELS.filter((model) => !forbidsCommercialUse(methodOf(model).license));
  const installed = [...others, ...addedModels('1x-clean', '3x-compact')];
  const { standard, free } = PRICE_LISTS;
  expect(() => checkCommercialUse(installed, standard)).toThrow(
    'The license of 3x-compact (CC-BY-NC-SA-4.0) forbids commercial use, and PRICES takes money for it.',
  );
  expect(() => checkCommercialUse(installed, { ...free, minimum: 1 })).toThrow('3x-compact');
  checkCommercialUse(installed, standard, true);
  checkCommercialUse(installed, free);
  checkCommercialUse(installed, { ...standard, per_output_megapixel: { esrgan: 5 } });
  checkCommercialUse(addedModels('1x-clean'), standard);
});

test('so is one that takes money for a method that must not be sold', () => {
  const { standard, free } = PRICE_LISTS;
  const refused = OWN_MODELS.filter((model) => forbidsCommercialUse(methodOf(model).license));
  expect(refused.map(({ model }) => model)).toEqual(['femasr', 'resshift', 'resshift-fast', 'stablesr']);
  const named = refused.map((of) => `${of.model} (${methodOf(of).license})`).join(', ');
  expect(() => checkCommercialUse(OWN_MODELS, standard)).toThrow(
    `The license of ${named} forbids commercial use, and PRICES takes money for it.`,
  );
  expect(() => checkCommercialUse(refused, { ...free, minimum: 1 })).toThrow('set ACCEPT_NONCOMMERCIAL=true');
  checkCommercialUse(OWN_MODELS, standard, true);
  checkCommercialUse(OWN_MODELS, free);
  const sold = (prices: object) =>
    Object.fromEntries(Object.entries(prices).filter(([id]) => !refused.some(({ model }) => model === id)));
  checkCommercialUse(OWN_MODELS, {
    ...standard,
    per_output_megapixel: sold(standard.per_output_megapixel),
    per_network_call: sold(standard.per_network_call),
  });
});

test('a deployment offers those whose facts it was told', () => {
  const read = (variables: Record<string, string>) =>
    installedModels(readVariables(z.object(modelVariables), variables));
  const { '1x-clean': clean } = ADDED_MODELS;
  const MODEL_FACTS = JSON.stringify({ '1x-clean': clean });
  expect(() => read({})).toThrow(/MODELS/);
  expect(read({ MODELS: 'seesr, 1x-clean,seesr', MODEL_FACTS })).toEqual([
    { model: 'seesr' },
    { model: '1x-clean', model_facts: clean },
  ]);
  expect(() => read({ MODELS: 'seesr,2x-small', MODEL_FACTS })).toThrow('MODELS has 2x-small; it may have seesr, ');
  expect(() => read({ MODELS: 'seesr', MODEL_FACTS: '{"1x-clean":{"method":"esrgan"}}' })).toThrow(
    /MODEL_FACTS=.*1x-clean\.title/,
  );
  expect(() => read({ MODELS: 'seesr', MODEL_FACTS: '{"seesr"' })).toThrow(/MODEL_FACTS/);
});
