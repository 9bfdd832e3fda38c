import type { Parameters, PriceTerms } from '../../shared/job.ts';
import type { Caller } from '../../shared/keys.ts';
import { readQuote } from '../../shared/quote.ts';
import type { Dependencies } from './dependencies.ts';

/** The price terms of a request, or nothing. Throws `quote-invalid`. */
export async function readPriceTerms(
  { signer, now }: Pick<Dependencies, 'signer' | 'now'>,
  caller: Caller,
  parameters: Parameters,
  { quote_id, max_price }: { quote_id?: string | undefined; max_price?: number | undefined },
): Promise<PriceTerms | undefined> {
  if (quote_id === undefined && max_price === undefined) return undefined;
  const quote = quote_id && (await readQuote(signer, quote_id, { caller, parameters, now: now() }));
  return { ...(max_price !== undefined && { max_price }), ...(quote && { quote }) };
}
