import type { Parameters, PriceTerms } from '../../shared/job.ts';
import type { Caller } from '../../shared/keys.ts';
import { readQuote } from '../../shared/quote.ts';
import type { Dependencies } from './dependencies.ts';

/** What a request says about its price, or nothing. Throws `quote-invalid`. */
export async function readPriceTerms(
  { signer, now }: Pick<Dependencies, 'signer' | 'now'>,
  { account }: Caller,
  parameters: Parameters,
  { quote_id, max_price }: { quote_id?: string | undefined; max_price?: number | undefined },
): Promise<PriceTerms | undefined> {
  if (quote_id === undefined && max_price === undefined) return undefined;
  const quote = quote_id && (await readQuote(signer, quote_id, { account, parameters, now: now() }));
  return { ...(max_price !== undefined && { max_price }), ...(quote && { quote }) };
}
