import { z } from 'zod';
import { issueClaim, openClaim } from './claim.ts';
import { AppError } from './error.ts';
import type { Job, JobInput, Parameters, PriceTerms } from './job.ts';
import { type Caller, type Owner, owns } from './keys.ts';
import { PRICED_PARAMETERS, type PriceList, priceAt, rateOf } from './pricing.ts';
import { type Rate, rateSchema } from './rate.ts';
import type { Signer } from './signature.ts';

/** A price that is promised. Nothing is stored: the id carries it, signed by the service. */

const quoteSchema = z.object({
  width: z.int(),
  height: z.int(),
  /** Those of `PRICED_PARAMETERS`, as far as the model has them; and, of a part of the photo, `preview: 'free'`. */
  parameters: z.record(z.string(), z.union([z.string(), z.number()])),
  price: z.int(),
  /** Of the price list at that time. */
  rate: rateSchema,
  /** Milliseconds since 1970. */
  expires: z.int(),
});
type Quote = z.infer<typeof quoteSchema>;

/** The id of the quote, which holds for its owner. */
export function issueQuote(signer: Signer, owner: Owner, quote: Quote): Promise<string> {
  return issueClaim(signer, 'quote', owner, quote);
}

/**
 * The promise of the quote to the caller for a job with these parameters. Its size is compared when the photo is known
 * (`agreedPrice`). Throws `quote-invalid`, which names the difference.
 */
export async function readQuote(
  signer: Signer,
  id: string,
  { caller, parameters, now }: { caller: Caller; parameters: Parameters; now: number },
): Promise<NonNullable<PriceTerms['quote']>> {
  const claim = await openClaim(signer, 'quote', id, quoteSchema);
  if (claim?.owner.account !== caller.account) {
    throw refuse('The quote was not given by this service to this account.');
  }
  if (claim.owner.test !== caller.test) {
    throw refuse(`The quote was given in ${claim.owner.test ? 'test' : 'live'} mode, and holds only there.`);
  }
  if (!owns(caller, claim.owner)) throw refuse('The quote was given to another end user.');
  const quote = claim.content;
  if (quote.expires <= now) throw refuse(`The quote was valid until ${new Date(quote.expires).toISOString()}.`);
  for (const name of PRICED_PARAMETERS) {
    const [quoted, asked] = [quote.parameters[name], parameters[name]];
    if (quoted !== asked) throw refuse(`The quote is for ${name} ${quoted ?? 'absent'}, not ${asked ?? 'absent'}.`);
  }
  if ('preview' in quote.parameters !== (parameters.preview !== undefined)) {
    throw refuse(
      `The quote is ${parameters.preview ? 'for the whole photo, not for a preview' : 'for a preview only'}.`,
    );
  }
  const { width, height, price, rate } = quote;
  return { width, height, price, rate };
}

/** The priced part of these parameters, as a quote of their job holds it. */
export function pricedParameters(parameters: Parameters): Quote['parameters'] {
  const priced = PRICED_PARAMETERS.flatMap((name) => {
    const value = parameters[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(priced), ...(parameters.preview && { preview: 'free' }) };
}

/**
 * The price of the job now that its photo is known, in micro-units, and its rate. Throws `quote-invalid` for a photo of
 * another size than was quoted, and `price-exceeded`.
 */
export function agreedPrice(
  { parameters, terms = {}, test }: Pick<Job, 'parameters' | 'terms' | 'test'>,
  input: JobInput,
  prices: PriceList,
): { price: number; rate?: Rate } {
  if (test || parameters.preview) return { price: 0 };
  const { quote, max_price } = terms;
  if (quote && (quote.width !== input.width || quote.height !== input.height)) {
    throw refuse(
      `The quote is for ${quote.width}×${quote.height} pixels, the photo has ${input.width}×${input.height}.`,
    );
  }
  const rate = quote?.rate ?? rateOf(parameters, prices);
  const price = quote?.price ?? priceAt(input, parameters, rate);
  if (max_price !== undefined && price > max_price) {
    throw new AppError('price-exceeded', `The job costs ${price} micro-units; max_price is ${max_price}.`, {
      errors: [{ pointer: '#/max_price', message: 'is below the price', expected: `at least ${price}` }],
      amounts: { needed: price, available: max_price },
    });
  }
  return { price, rate };
}

function refuse(message: string): AppError {
  return new AppError('quote-invalid', message, { errors: [{ pointer: '#/quote_id', message: 'does not hold' }] });
}
