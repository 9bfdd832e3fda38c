import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ModelList } from '../../../../shared/client.ts';
import { methodOf, OWN_MODELS } from '../../../../shared/methods/registry.ts';
import { completeParameters, requestedParametersSchema } from '../../../../shared/parameters.ts';
import { PRICE_LISTS, planWork, priceOf } from '../../../../shared/pricing.ts';
import { buildMethod } from '../../../support/build-method.ts';
import { openProduct, order, type Product, photoOfDog, settle } from '../../../support/product.ts';
import { recordedFiles } from '../../../support/recorded-files.ts';

/** Diffusion methods in one service: what each costs, and what its receipt says. */

const SIZE = { width: 24, height: 16 };
const S_LAB = 'S-Lab License 1.0 (non-commercial)';
/** `asked`: of StableSR the gate lets pictures of random networks pass only with the colors of `wavelet`. */
const METHODS = [
  { model: 'ldm', license: 'MIT', asked: { steps: 12 } },
  { model: 'resshift', license: S_LAB, asked: {} },
  { model: 'stablesr', license: S_LAB, asked: { steps: 3, color_fix: 'wavelet' } },
  { model: 'pasd', license: 'Apache-2.0', asked: { steps: 2, prompt: 'a dog' } },
  { model: 'diffbir', license: 'Apache-2.0', asked: { steps: 5 } },
  { model: 'diffbir-v2', license: 'Apache-2.0', asked: { steps: 3, prompt: 'a dog' } },
  { model: 'diffbir-v21', license: 'Apache-2.0', asked: { steps: 3, prompt: 'a dog' } },
] as const;

let product: Product;
let photo: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  product = await openProduct();
  for (const { model } of METHODS) await buildMethod(model, await recordedFiles(model), product.modelsDirectory);
  photo = await photoOfDog(SIZE.width, SIZE.height);
});
afterAll(() => product?.close());

test('a price list that sells those that must not be sold is refused at the start, with the reason', async () => {
  const refused = String(await product.start().catch((error: Error) => error));
  for (const { model, license } of METHODS) {
    expect(refused.includes(`${model} (${methodOf({ model }).license})`), model).toBe(license === S_LAB);
  }
  expect(refused).toContain('ACCEPT_NONCOMMERCIAL');
});

describe('where they may be sold', () => {
  let service: Awaited<ReturnType<Product['start']>>;
  beforeAll(async () => {
    service = await product.start({ ACCEPT_NONCOMMERCIAL: 'true' });
  });

  test.each(METHODS)(
    '$model is listed with its license, costs its calls, and the receipt tells them',
    async ({ model, license, asked }) => {
      const { client } = service;
      const { data } = await client.json<ModelList>('/v1/models');
      const listed = data.find(({ id }) => id === model)!;
      expect(listed).toMatchObject({ installed: true, scale: 4 });
      expect(listed.license).toContain(license);
      expect(listed.commercial_use).toBe(license === S_LAB ? false : undefined);

      const parameters = completeParameters(requestedParametersSchema.parse({ model, ...asked }), OWN_MODELS);
      const { tiles, steps } = planWork(SIZE, parameters);
      const price = priceOf(SIZE, parameters, PRICE_LISTS.standard);
      const { id, quote } = await order(client, photo, { model, ...asked });
      expect(quote).toMatchObject({ tiles, steps, price });
      const { job, receipt } = await settle(client, id);
      expect(job).toMatchObject({
        status: 'succeeded',
        charge: { state: 'captured', amount: price },
        output: { width: 4 * SIZE.width, height: 4 * SIZE.height },
      });
      expect(receipt).toMatchObject({ price, parameters: { model, ...asked }, run: { tiles, steps } });
    },
  );

  test('steps with which the original of LDM fails are refused with the reason', async () => {
    const asked = { input: SIZE, model: 'ldm', steps: 37 };
    const refused = await service.client.post<{ status: number }>('/v1/quotes', asked);
    expect(refused.status).toBe(422);
    expect(JSON.stringify(refused)).toContain('steps 37 would call timestep 1000');
  });
});
