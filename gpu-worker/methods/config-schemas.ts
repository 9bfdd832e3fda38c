import { z } from 'zod';

/** What the configurations of several methods consist of. */

export const count = z.int().positive();

const floatType = z.enum(['float32', 'float16']);
/** See `Flavor`. */
export const flavorSchema = z.object({ storage: floatType, compute: floatType });
