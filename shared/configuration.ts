import { z } from 'zod';
import { AppError } from './error.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { isLogLevel } from './log.ts';
import { parsePrices } from './pricing.ts';
import { parseRateLimits } from './rate-limit.ts';

/** Configuration by environment variables: what every place has, and how it is read. */

export const sharedVariables = {
  PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  LOG_LEVEL: z.string().refine(isLogLevel, 'one of info, warn, error, silent').default('info'),
  MAX_UPLOAD_BYTES: countVariable(DEFAULT_LIMITS.max_upload_bytes, 2 ** 31 - 1),
  MAX_INPUT_PIXELS: countVariable(DEFAULT_LIMITS.max_input_pixels, 2 ** 31 - 1),
  MAX_OUTPUT_PIXELS: countVariable(DEFAULT_LIMITS.max_output_pixels, 2 ** 31 - 1),
  HEIC: z.stringbool().default(false),
  ALLOW_HTTP_FETCH: z.stringbool().default(false),
  FETCH_ALLOW_HOSTS: z
    .string()
    .default('')
    .transform((text) => text.split(',').filter(Boolean)),
  PRICES: z.string().default('free').transform(orIssue(parsePrices)),
  RATE_LIMITS: z.string().default('default').transform(orIssue(parseRateLimits)),
};

export function countVariable(fallback: number, max: number) {
  return z.coerce.number().int().min(1).max(max).default(fallback);
}

/** What `read` throws, as zod reports it. */
export function orIssue<Value>(read: (text: string) => Value) {
  return (text: string, context: z.RefinementCtx): Value => {
    try {
      return read(text);
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  };
}

/** The same under the names that the program uses. */
export function serviceSettings(variables: z.output<z.ZodObject<typeof sharedVariables>>) {
  return {
    publicUrl: variables.PUBLIC_URL,
    logLevel: variables.LOG_LEVEL,
    outbound: { allowHttp: variables.ALLOW_HTTP_FETCH, allowHosts: variables.FETCH_ALLOW_HOSTS },
    limits: {
      max_upload_bytes: variables.MAX_UPLOAD_BYTES,
      max_input_pixels: variables.MAX_INPUT_PIXELS,
      max_output_pixels: variables.MAX_OUTPUT_PIXELS,
      heic: variables.HEIC,
    },
    prices: variables.PRICES,
    rateLimits: variables.RATE_LIMITS,
  };
}

/**
 * Reads the environment; an empty variable counts as absent. Throws `invalid` naming every variable that is wrong.
 * `secret`: variables whose values must not be told.
 */
export function readVariables<Schema extends z.ZodType>(
  schema: Schema,
  environment: Record<string, string | undefined>,
  secret: readonly string[] = [],
): z.output<Schema> {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const rules = parsed.error.issues.map(({ path, message }) => {
    const name = String(path[0]);
    return `${secret.includes(name) ? name : `${name}=${environment[name]}`}: ${message}`;
  });
  throw new AppError('invalid', `The configuration is not valid. ${rules.join('; ')}`);
}
