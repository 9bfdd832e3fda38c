import { z } from 'zod';
import { AppError } from './error.ts';
import type { Job, JobInput, Parameters, PriceTerms } from './job.ts';
import { PRICED_PARAMETERS, type PriceList, priceOf } from './pricing.ts';
import { fromBase64Url, type Signer, toBase64Url } from './signature.ts';

/** A price that is promised. Nothing is stored: the id carries it, signed by the service. */

const quoteSchema = z.object({
  account: z.string(),
  width: z.int(),
  height: z.int(),
  /** Those of `PRICED_PARAMETERS`, as far as the model has them; and, of a part of the photo, `preview: 'free'`. */
  parameters: z.record(z.string(), z.union([z.string(), z.number()])),
  price: z.int(),
  /** Milliseconds since 1970. */
  expires: z.int(),
});
type Quote = z.infer<typeof quoteSchema>;

const PREFIX = 'quo_';

/** The id of the quote. */
export async function issueQuote(signer: Signer, quote: Quote): Promise<string> {
  const content = toBase64Url(new TextEncoder().encode(JSON.stringify(quote)));
  return `${PREFIX}${content}.${await signer.sign(PREFIX + content)}`;
}

/**
 * What the quote promises for a job with these parameters. Its size is compared when the photo is known (`agreedPrice`).
 * Throws `quote-invalid`, which names the difference.
 */
export async function readQuote(
  signer: Signer,
  id: string,
  { account, parameters, now }: { account: string; parameters: Parameters; now: number },
): Promise<NonNullable<PriceTerms['quote']>> {
  const quote = await openQuote(signer, id);
  if (quote?.account !== account) throw refuse('The quote was not given by this service to this account.');
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
  const { width, height, price } = quote;
  return { width, height, price };
}

/** What a quote of a job with these parameters says of them. */
export function pricedParameters(parameters: Parameters): Quote['parameters'] {
  const priced = PRICED_PARAMETERS.flatMap((name) => {
    const value = parameters[name];
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(priced), ...(parameters.preview && { preview: 'free' }) };
}

/**
 * What the job costs now that its photo is known, in micro-units. Throws `quote-invalid` for a photo of another size than
 * was quoted, and `price-exceeded`.
 */
export function agreedPrice(
  { parameters, terms = {}, test }: Pick<Job, 'parameters' | 'terms' | 'test'>,
  input: JobInput,
  prices: PriceList,
): number {
  if (test || parameters.preview) return 0;
  const { quote, max_price } = terms;
  if (quote && (quote.width !== input.width || quote.height !== input.height)) {
    throw refuse(
      `The quote is for ${quote.width}×${quote.height} pixels, the photo has ${input.width}×${input.height}.`,
    );
  }
  const price = quote?.price ?? priceOf(input, parameters, prices);
  if (max_price !== undefined && price > max_price) {
    throw new AppError('price-exceeded', `The job costs ${price} micro-units; max_price is ${max_price}.`, {
      errors: [{ pointer: '#/max_price', message: 'is below the price', expected: `at least ${price}` }],
      amounts: { needed: price, available: max_price },
    });
  }
  return price;
}

async function openQuote(signer: Signer, id: string): Promise<Quote | null> {
  const [content = '', signature = '', rest] = id.slice(PREFIX.length).split('.');
  if (!id.startsWith(PREFIX) || rest !== undefined || !(await signer.verify(PREFIX + content, signature))) return null;
  return quoteSchema.parse(JSON.parse(new TextDecoder().decode(fromBase64Url(content)!)));
}

function refuse(message: string): AppError {
  return new AppError('quote-invalid', message, { errors: [{ pointer: '#/quote_id', message: 'does not hold' }] });
}
