import { readFileSync } from 'node:fs';
import { AppError } from '../shared/error.ts';
import { PRICE_LISTS, type PriceList, priceListSchema } from '../shared/pricing.ts';

/** `free`, `standard` or the path of a JSON file. Throws `invalid`, which says what is wrong with the file. */
export function readPrices(text: string): PriceList {
  if (text === 'free' || text === 'standard') return PRICE_LISTS[text];
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(text, 'utf8'));
  } catch (cause) {
    throw new AppError('invalid', `neither "free" nor "standard", nor a JSON file: ${(cause as Error).message}`, {
      cause,
    });
  }
  const parsed = priceListSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const rules = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the list'}: ${message}`);
  throw new AppError('invalid', `the file is no price list: ${rules.join('; ')}`);
}
