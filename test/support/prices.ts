import { PRICE_LISTS, type PriceList } from '../../shared/pricing.ts';

/** Every job costs the same. */
export function flatPrices(micro_units: number): PriceList {
  return { ...PRICE_LISTS.free, name: 'flat', minimum: micro_units };
}
