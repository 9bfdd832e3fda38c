import { resolve } from 'node:path';
import { z } from 'zod';
import { AppError } from '../shared/error.ts';
import { DEFAULT_LIMITS, type Limits } from '../shared/limits.ts';
import { isLogLevel, type LogLevel } from '../shared/log.ts';
import type { PriceList } from '../shared/pricing.ts';
import { parseRateLimits, type RateLimits } from '../shared/rate-limit.ts';
import { readPrices } from './prices.ts';

export interface Config {
  host: string;
  /** 0: any free port. */
  port: number;
  dataDirectory: string;
  /** Of models that were built from the user's files. */
  modelsDirectory: string;
  /** Origin in all links, where a proxy stands in front; absent: the origin that the client asked. */
  publicUrl?: string | undefined;
  device: 'cpu' | 'cuda';
  logLevel: LogLevel;
  limits: Limits;
  prices: PriceList;
  /** Absent: none. */
  rateLimits?: RateLimits | undefined;
  /** What the service may reach of what callers name. */
  outbound: { allowHttp: boolean; allowHosts: string[] };
}

const count = (fallback: number, max: number) => z.coerce.number().int().min(1).max(max).default(fallback);

const environmentSchema = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8787),
  DATA_DIR: z.string().min(1).default('data'),
  MODELS_DIR: z.string().min(1).default('models'),
  PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  DEVICE: z.enum(['cpu', 'cuda']).default('cpu'),
  LOG_LEVEL: z.string().refine(isLogLevel, 'one of info, warn, error, silent').default('info'),
  MAX_UPLOAD_BYTES: count(DEFAULT_LIMITS.max_upload_bytes, 2 ** 31 - 1),
  MAX_INPUT_PIXELS: count(DEFAULT_LIMITS.max_input_pixels, 2 ** 31 - 1),
  MAX_OUTPUT_PIXELS: count(DEFAULT_LIMITS.max_output_pixels, 2 ** 31 - 1),
  PRICES: z.string().default('free').transform(orIssue(readPrices)),
  ALLOW_HTTP_FETCH: z.stringbool().default(false),
  FETCH_ALLOW_HOSTS: z
    .string()
    .default('')
    .transform((text) => text.split(',').filter(Boolean)),
  RATE_LIMITS: z.string().default('default').transform(orIssue(parseRateLimits)),
});

/** What `read` throws, as zod reports it. */
function orIssue<Value>(read: (text: string) => Value) {
  return (text: string, context: z.RefinementCtx): Value => {
    try {
      return read(text);
    } catch (error) {
      context.addIssue((error as Error).message);
      return z.NEVER;
    }
  };
}

/** Reads the environment; an empty variable counts as absent. Throws `invalid` naming every variable that is wrong. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = environmentSchema.safeParse(given);
  if (!parsed.success) {
    const rules = parsed.error.issues.map(({ path, message }) => {
      const name = String(path[0]);
      return `${name}=${environment[name]}: ${message}`;
    });
    throw new AppError('invalid', `The configuration is not valid. ${rules.join('; ')}`);
  }
  const variables = parsed.data;
  return {
    host: variables.HOST,
    port: variables.PORT,
    dataDirectory: resolve(variables.DATA_DIR),
    modelsDirectory: resolve(variables.MODELS_DIR),
    publicUrl: variables.PUBLIC_URL,
    device: variables.DEVICE,
    logLevel: variables.LOG_LEVEL,
    outbound: { allowHttp: variables.ALLOW_HTTP_FETCH, allowHosts: variables.FETCH_ALLOW_HOSTS },
    limits: {
      max_upload_bytes: variables.MAX_UPLOAD_BYTES,
      max_input_pixels: variables.MAX_INPUT_PIXELS,
      max_output_pixels: variables.MAX_OUTPUT_PIXELS,
    },
    prices: variables.PRICES,
    rateLimits: variables.RATE_LIMITS,
  };
}
