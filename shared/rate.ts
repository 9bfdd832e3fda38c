import { z } from 'zod';

/** One unit of the account's currency is 1,000,000. */
export const microUnits = z.int().min(0).max(1_000_000_000);

/** The rate of a model that was added may be many times that of its method in the list. */
const rate = z.int().min(0);

/**
 * Of one model. Kept with jobs: the meaning of a rate of this name must not change, or old prices could not be checked.
 */
export const rateSchema = z.union([
  z.object({ minimum: microUnits, per_network_megapixel: rate }),
  // Of jobs of earlier versions: a megapixel of the result.
  z.object({ minimum: microUnits, per_output_megapixel: microUnits }),
  z.object({ minimum: microUnits, per_network_call: microUnits }),
]);
export type Rate = z.infer<typeof rateSchema>;
