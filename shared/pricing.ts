import { z } from 'zod';
import { enlargedSize } from './enlargement.ts';
import { AppError } from './error.ts';
import type { Parameters } from './job.ts';
import type { Method, PriceUnit, Size, Work } from './methods/method.ts';
import type { InstalledModel } from './methods/model-facts.ts';
import { ANY_METHODS, type AnyMethodId, METHOD_IDS, methodOf } from './methods/registry.ts';
import { MODEL_SCALE } from './methods/tile-plan.ts';
import { outputSize } from './output-size.ts';
import { microUnits, type Rate } from './rate.ts';

/** The price of a job, exactly and before it runs: a pure function of its size, its parameters and a price list. */

/** By the ids of those that are paid so. One that is left out is not sold, nor are models of it that were added. */
type Prices = Partial<Record<AnyMethodId, number>>;

function pricesPer(unit: PriceUnit): z.ZodType<Prices> {
  const ids = ANY_METHODS.filter(({ price }) => price.per === unit).map(({ id }) => id);
  return z.strictObject(Object.fromEntries(ids.map((id) => [id, microUnits.optional()])));
}

/**
 * Micro-units: one unit of the account's currency is 1,000,000. A method is paid by the megapixels (1,000,000 pixels)
 * that its network puts out, which is four times the photo's sides however large the result shall be (nothing at
 * fidelity 1, where no network runs), or by the calls of its network: tiles × steps × 2 where guidance needs a second
 * prompt. The price is rounded up to whole micro-units, and is `minimum` at least. Models that were added have the
 * price of their method, for the same work (`megapixelRate`).
 */
export const priceListSchema = z.strictObject({
  name: z.string().min(1).max(100),
  minimum: microUnits,
  per_output_megapixel: pricesPer('output_megapixel'),
  per_network_call: pricesPer('network_call'),
});
export type PriceList = z.infer<typeof priceListSchema>;

/** Lists that come with the program; an operator may write another. */
export const PRICE_LISTS = {
  free: listOf('free', 0, () => 0),
  standard: listOf('standard', 1_000, ({ standard }) => standard),
};

function listOf(name: string, minimum: number, priceOf: (price: Method['price']) => number): PriceList {
  const per = (unit: PriceUnit): Prices => {
    const paidSo = ANY_METHODS.filter(({ price }) => price.per === unit);
    return Object.fromEntries(paidSo.map(({ id, price }) => [id, priceOf(price)]));
  };
  return { name, minimum, per_output_megapixel: per('output_megapixel'), per_network_call: per('network_call') };
}

/** `free`, `standard` or a price list in JSON. Throws `invalid`, which names the fault. */
export function parsePrices(text: string): PriceList {
  if (text === 'free' || text === 'standard') return PRICE_LISTS[text];
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (cause) {
    throw new AppError('invalid', `neither "free" nor "standard", nor JSON: ${(cause as Error).message}`, { cause });
  }
  const parsed = priceListSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const rules = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the list'}: ${message}`);
  throw new AppError('invalid', `it is no price list: ${rules.join('; ')}`);
}

/** The work of a job, as the worker does it where memory suffices. `size`: of the photo, upright. */
export function planWork(size: Size, parameters: Parameters): Work {
  return methodOf(parameters).work(size, parameters);
}

/** In micro-units. `size`: of the photo, upright. */
export function priceOf(size: Size, parameters: Parameters, prices: PriceList): number {
  return priceAt(size, parameters, rateOf(parameters, prices));
}

/** As `priceOf`, by the kept rate of a price list that may have changed since. */
export function priceAt(size: Size, parameters: Parameters, rate: Rate): number {
  const { minimum } = rate;
  const { calls } = planWork(size, parameters);
  if ('per_network_call' in rate) return Math.max(minimum, rate.per_network_call * calls);
  if (calls === 0) return minimum;
  const isByWork = 'per_network_megapixel' in rate;
  const { width, height } = isByWork
    ? enlargedSize(size, { scale: methodOf(parameters).scale })
    : outputSize(size, parameters);
  const megapixel = isByWork ? rate.per_network_megapixel : rate.per_output_megapixel;
  // In BigInt: a rate times the pixels of a large picture is more than a number holds exactly.
  const pixelRate = BigInt(megapixel) * BigInt(width) * BigInt(height);
  return Math.max(minimum, Number((pixelRate + 999_999n) / 1_000_000n));
}

/**
 * The rate of a price list that is kept with a job of this model. Throws `model-unavailable` for one that is not sold.
 */
export function rateOf(model: InstalledModel, prices: PriceList): Rate {
  const listed = listedPrice(model, prices);
  if (!listed) throw unsold(model, prices);
  if ('per_network_call' in listed) return listed;
  return { minimum: listed.minimum, per_network_megapixel: listed.per_output_megapixel };
}

/** The entry of the list for a model, as information before a quote. Undefined: it is not sold. */
export function listedPrice(model: InstalledModel, prices: PriceList) {
  const { minimum } = prices;
  const method = methodOf(model);
  const { per } = method.price;
  const listed = prices[`per_${per}`][method.id];
  if (listed === undefined) return undefined;
  return per === 'network_call'
    ? { minimum, per_network_call: listed }
    : { minimum, per_output_megapixel: megapixelRate(listed, method) };
}

/**
 * A list gives the price of a megapixel that the usual network of a method makes of a sixteenth of it. Another network
 * costs as much for as much work, at any factor of enlargement.
 */
function megapixelRate(listed: number, { scale, workShare }: Pick<Method, 'scale' | 'workShare'>): number {
  return Math.ceil(listed * workShare * (MODEL_SCALE / scale) ** 2);
}

export function isSold(model: InstalledModel, prices: PriceList): boolean {
  return listedPrice(model, prices) !== undefined;
}

function unsold({ model, model_facts: facts }: InstalledModel, prices: PriceList): AppError {
  const sold = METHOD_IDS.filter((id) => isSold({ model: id }, prices));
  const rule = `the price list ${prices.name} has no price of ${facts ? `its method, ${facts.method}` : 'it'}`;
  return new AppError('model-unavailable', `${model} is not sold here: ${rule}; it has ${sold.join(', ')}.`, {
    errors: [{ pointer: '#/model', message: 'not sold here', expected: sold.join(', ') }],
  });
}

/** The parameters that the price of a job depends on: the rest may change while it stays the same. */
export const PRICED_PARAMETERS = [
  'model',
  'fidelity',
  'steps',
  'start_steps',
  'scheduler',
  'guidance_scale',
] as const satisfies (keyof Parameters)[];
