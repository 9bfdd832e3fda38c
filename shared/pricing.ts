import { z } from 'zod';
import { AppError } from './error.ts';
import { faithfulShare } from './fidelity.ts';
import { outputSize } from './image-format.ts';
import type { Parameters } from './job.ts';
import { isDiffusionModel, type ModelId } from './models.ts';
import {
  coverInput,
  coverLatent,
  diffusionSide,
  LATENT_PIXELS,
  latentOverlap,
  TILE_CONTEXT,
  TILE_SIZES,
} from './tile-plan.ts';
import { type Spacing, spaceTimesteps } from './timesteps.ts';

/** What a job costs, exactly and before it runs: a pure function of its size, its parameters and a price list. */

const microUnits = z.int().min(0).max(1_000_000_000);

/**
 * Micro-units: one unit of the account's currency is 1,000,000. Super-resolution is paid by the megapixels (1,000,000
 * pixels) of the result (nothing at fidelity 1, where no network runs), diffusion by the calls of its network: tiles × steps × 2 where guidance needs a second prompt.
 * What comes out is rounded up to whole micro-units, and is `minimum` at least.
 */
export const priceListSchema = z.strictObject({
  name: z.string().min(1).max(100),
  minimum: microUnits,
  per_output_megapixel: z.strictObject({ 'real-esrgan': microUnits, 'real-esrgan-fast': microUnits }),
  per_network_call: z.strictObject({ seesr: microUnits, 'seesr-turbo': microUnits }),
});
export type PriceList = z.infer<typeof priceListSchema>;

/** What comes with the program; an operator may write another. */
export const PRICE_LISTS = {
  free: {
    name: 'free',
    minimum: 0,
    per_output_megapixel: { 'real-esrgan': 0, 'real-esrgan-fast': 0 },
    per_network_call: { seesr: 0, 'seesr-turbo': 0 },
  },
  standard: {
    name: 'standard',
    minimum: 1_000,
    per_output_megapixel: { 'real-esrgan': 2_000, 'real-esrgan-fast': 500 },
    per_network_call: { seesr: 100, 'seesr-turbo': 100 },
  },
} as const satisfies Record<string, PriceList>;

/** `free`, `standard` or a price list in JSON. Throws `invalid`, which says what is wrong with it. */
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

interface Size {
  width: number;
  height: number;
}

/** The work of a job, as the worker does it where memory suffices for the first of `TILE_SIZES`. */
export interface Plan {
  /** Of each step; 0 where fidelity leaves nothing for the network to do. */
  tiles: number;
  /** Denoising steps that are really called; 1 for super-resolution. */
  steps: number;
  /** Calls of the network: tiles × steps, twice that under guidance. */
  calls: number;
}

/** Which timesteps the published models call; test/unit/pricing.test.ts compares with those that are built. */
const SPACING: Record<'seesr' | 'seesr-turbo', Spacing> = { seesr: 'leading', 'seesr-turbo': 'trailing' };
const TRAINED_STEPS = 1000;
const STEPS_OFFSET = 1;

/** `size`: of the photo, upright. */
export function planWork({ width, height }: Size, parameters: Parameters): Plan {
  const { model } = parameters;
  const [tileSize] = TILE_SIZES[model];
  if (!isDiffusionModel(model)) {
    if (faithfulShare(model, parameters.fidelity ?? 0) === 1) return { tiles: 0, steps: 0, calls: 0 };
    const count = (extent: number) => coverInput(extent, tileSize, TILE_CONTEXT[model]).length;
    const tiles = count(width) * count(height);
    return { tiles, steps: 1, calls: tiles };
  }
  const count = (extent: number) =>
    coverLatent(diffusionSide(extent) / LATENT_PIXELS, tileSize, latentOverlap(tileSize)).length;
  const tiles = count(width) * count(height);
  const steps = calledSteps(SPACING[model], parameters);
  const isGuided = (parameters.guidance_scale ?? 1) > 1;
  return { tiles, steps, calls: tiles * steps * (isGuided ? 2 : 1) };
}

function calledSteps(spacing: Spacing, { steps = 1, start_steps, scheduler }: Parameters): number {
  // It spreads as many as are asked for below `start_steps`; DDPM leaves out those above.
  if (scheduler === 'dpm-solver++') return steps;
  const startSteps = start_steps === undefined ? {} : { startSteps: start_steps };
  return spaceTimesteps(TRAINED_STEPS, { steps, spacing, offset: STEPS_OFFSET, ...startSteps }).length;
}

/** In micro-units. `size`: of the photo, upright. */
export function priceOf(size: Size, parameters: Parameters, prices: PriceList): number {
  const { model } = parameters;
  if (isDiffusionModel(model)) {
    return Math.max(prices.minimum, prices.per_network_call[model] * planWork(size, parameters).calls);
  }
  if (planWork(size, parameters).calls === 0) return prices.minimum;
  const { width, height } = outputSize(size, parameters.scale);
  // In BigInt: a rate times the pixels of a large picture is more than a number holds exactly.
  const pixelRate = BigInt(prices.per_output_megapixel[model]) * BigInt(width) * BigInt(height);
  return Math.max(prices.minimum, Number((pixelRate + 999_999n) / 1_000_000n));
}

/** What a model costs, for whoever wants to know before asking for a quote. */
export function rateOf(model: ModelId, prices: PriceList) {
  const { minimum } = prices;
  return isDiffusionModel(model)
    ? { minimum, per_network_call: prices.per_network_call[model] }
    : { minimum, per_output_megapixel: prices.per_output_megapixel[model] };
}

/** What the price of a job depends on, of its parameters: the rest may change while it stays the same. */
export const PRICED_PARAMETERS = [
  'model',
  'scale',
  'fidelity',
  'steps',
  'start_steps',
  'scheduler',
  'guidance_scale',
] as const satisfies (keyof Parameters)[];
