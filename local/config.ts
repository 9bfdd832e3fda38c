import { resolve } from 'node:path';
import { z } from 'zod';
import { orIssue, readVariables, serviceSettings, sharedVariables } from '../shared/configuration.ts';
import type { Limits } from '../shared/limits.ts';
import type { LogLevel } from '../shared/log.ts';
import type { PriceList } from '../shared/pricing.ts';
import type { RateLimits } from '../shared/rate-limit.ts';
import { readPrices } from './prices.ts';

/** Room for the result that is being made, twice: in the worker's scratch folder, and as an object. */
const MIN_FREE_BYTES = 512 * 1024 * 1024;

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
  /** Below it nothing new is taken. */
  minFreeBytes: number;
  logLevel: LogLevel;
  limits: Limits;
  prices: PriceList;
  /** Absent: none. */
  rateLimits?: RateLimits | undefined;
  /** What the service may reach of what callers name. */
  outbound: { allowHttp: boolean; allowHosts: string[] };
}

const environmentSchema = z.object({
  ...sharedVariables,
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8787),
  DATA_DIR: z.string().min(1).default('data'),
  MODELS_DIR: z.string().min(1).default('models'),
  DEVICE: z.enum(['cpu', 'cuda']).default('cpu'),
  MIN_FREE_BYTES: z.coerce.number().int().min(0).default(MIN_FREE_BYTES),
  PRICES: z.string().default('free').transform(orIssue(readPrices)),
});

/** Throws `invalid` naming every variable that is wrong. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const variables = readVariables(environmentSchema, environment);
  return {
    ...serviceSettings(variables),
    host: variables.HOST,
    port: variables.PORT,
    dataDirectory: resolve(variables.DATA_DIR),
    modelsDirectory: resolve(variables.MODELS_DIR),
    device: variables.DEVICE,
    minFreeBytes: variables.MIN_FREE_BYTES,
  };
}
