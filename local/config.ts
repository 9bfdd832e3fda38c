import { resolve } from 'node:path';
import { z } from 'zod';
import { deviceVariables } from '../gpu-worker/device-settings.ts';
import type { AskedDevices } from '../gpu-worker/runtime/device-places.ts';
import {
  countVariable,
  readVariables,
  serviceSettings,
  sharedVariables,
  wholeVariable,
} from '../shared/configuration.ts';
import type { Limits } from '../shared/limits.ts';
import type { LogLevel } from '../shared/log.ts';
import { orIssue } from '../shared/or-issue.ts';
import type { PriceList } from '../shared/pricing.ts';
import type { RateLimits } from '../shared/rate-limits.ts';
import { KEEP_ALIVE_SECONDS } from './http-server.ts';
import { readPrices } from './prices.ts';

export interface Config {
  host: string;
  /** 0: any free port. */
  port: number;
  dataDirectory: string;
  /** A folder without data is none that the service was meant to begin in. */
  requireData?: boolean;
  /** Of models that were built from the user's files. */
  modelsDirectory: string;
  /** The beginning of all links, where a proxy stands in front; absent: the origin that the client asked. */
  publicUrl?: string | undefined;
  /** Proxies in front whose X-Forwarded-For is believed. */
  trustedProxies?: number;
  /** Of idle connections. */
  keepAliveSeconds: number;
  devices: AskedDevices;
  /** Processes that share the CPU. */
  workers: number;
  /** Below it nothing new is taken. Absent: see createStorageRoom. */
  minFreeBytes?: number | undefined;
  logLevel: LogLevel;
  limits: Limits;
  prices: PriceList;
  /** See checkCommercialUse. */
  acceptsNoncommercial?: boolean;
  /** Absent: none. */
  rateLimits?: RateLimits | undefined;
  /** The addresses of callers that the service may reach. */
  outbound: { allowHttp: boolean; allowHosts: string[] };
}

const environmentSchema = z.object({
  ...sharedVariables,
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: countVariable(8787, 65_535, 0),
  KEEP_ALIVE_SECONDS: countVariable(KEEP_ALIVE_SECONDS, 86_400),
  TRUST_PROXY: countVariable(0, 10, 0),
  DATA_DIR: z.string().min(1).default('data'),
  REQUIRE_DATA: z.stringbool().default(false),
  MODELS_DIR: z.string().min(1).default('models'),
  ...deviceVariables,
  MIN_FREE_BYTES: wholeVariable(Number.MAX_SAFE_INTEGER, 0).optional(),
  PRICES: z.string().default('free').transform(orIssue(readPrices)),
});

/** Throws `invalid` naming every variable that is wrong. `warn`: is told of those that are probably misspelled. */
export function readConfig(environment: NodeJS.ProcessEnv, warn?: (sentence: string) => void): Config {
  const variables = readVariables(environmentSchema, environment, warn && { warn });
  return {
    ...serviceSettings(variables),
    host: variables.HOST,
    port: variables.PORT,
    keepAliveSeconds: variables.KEEP_ALIVE_SECONDS,
    trustedProxies: variables.TRUST_PROXY,
    dataDirectory: resolve(variables.DATA_DIR),
    requireData: variables.REQUIRE_DATA,
    modelsDirectory: resolve(variables.MODELS_DIR),
    devices: variables.DEVICE,
    workers: variables.WORKERS,
    minFreeBytes: variables.MIN_FREE_BYTES,
  };
}
