import { AppError } from './error.ts';
import type { InstalledModel } from './methods/model-facts.ts';
import { methodOf } from './methods/registry.ts';
import { listedPrice, type PriceList } from './pricing.ts';

/** Methods and added models that their authors gave for research or private use alone, and services that take money. */

/** SPDX ids and words of such licenses, and of none: all rights are reserved then. */
const NOT_COMMERCIAL =
  /(^|\W)NC(\W|$)|non-?commercial|academic|research|personal|^none$|unlicensed|all rights reserved/i;

export function forbidsCommercialUse(license: string): boolean {
  return NOT_COMMERCIAL.test(license);
}

/** With that remark. */
export function licenseInWords(license: string): string {
  return forbidsCommercialUse(license) ? `${license}, not for commercial use` : license;
}

/**
 * `accepted`: the operator may sell them all the same, having asked their authors. Throws `invalid` for a price list
 * that takes money for one that must not be sold.
 */
export function checkCommercialUse(installed: readonly InstalledModel[], prices: PriceList, accepted = false): void {
  if (accepted) return;
  const refused = installed.filter((of) => {
    const price = listedPrice(of, prices);
    return forbidsCommercialUse(methodOf(of).license) && price && Object.values(price).some(Boolean);
  });
  if (refused.length === 0) return;
  const which = refused.map((of) => `${of.model} (${methodOf(of).license})`).join(', ');
  throw new AppError(
    'invalid',
    `The license of ${which} forbids commercial use, and PRICES takes money for it. Leave it out of the models or its method out of the price list, or set ACCEPT_NONCOMMERCIAL=true if you may sell it.`,
  );
}
