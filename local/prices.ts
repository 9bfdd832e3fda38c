import { readFileSync } from 'node:fs';
import { AppError } from '../shared/error.ts';
import { PRICE_LISTS, type PriceList, parsePrices } from '../shared/pricing.ts';

/** `free`, `standard` or the path of a JSON file. Throws `invalid`, which names the mistake in the file. */
export function readPrices(text: string): PriceList {
  if (text in PRICE_LISTS) return parsePrices(text);
  let content: string;
  try {
    content = readFileSync(text, 'utf8');
  } catch (cause) {
    throw new AppError('invalid', `neither "free" nor "standard", nor a file: ${(cause as Error).message}`, { cause });
  }
  return parsePrices(content);
}
