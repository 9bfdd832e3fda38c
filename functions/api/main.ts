import './interpret-checks.ts';
import { readdir, readFile } from 'node:fs/promises';
import { handle, streamHandle } from 'hono/aws-lambda';
import { z } from 'zod';
import { awsVariables, openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { createGuardedFetch } from '../../shared/adapters/node/guarded-fetch.ts';
import { createStandardLog } from '../../shared/adapters/node/standard-log.ts';
import { warnOnStandardError } from '../../shared/adapters/node/warn.ts';
import { checkCommercialUse } from '../../shared/commercial-use.ts';
import {
  installedModels,
  modelVariables,
  publicUrlVariable,
  readVariables,
  serviceSettings,
  sharedVariables,
} from '../../shared/configuration.ts';
import { LAMBDA_STREAM_SECONDS } from '../../shared/limits.ts';
import { createMetrics } from '../../shared/metrics.ts';
import { orIssue } from '../../shared/or-issue.ts';
import { createRateLimiter } from '../../shared/rate-limit.ts';
import { createSigner, parseSigningKey } from '../../shared/signature.ts';
import { createApp } from './app.ts';
import { canStream, neverUnwritten } from './lambda-stream.ts';
import { underPublicPath } from './origin.ts';
import { requireOriginSecret } from './origin-secret.ts';
import { createWebsite, type WebsiteFiles } from './website.ts';

/** The HTTP API as a Lambda function behind a distribution. */

const variables = readVariables(
  z.object({
    ...sharedVariables,
    ...awsVariables,
    PUBLIC_URL: publicUrlVariable,
    SIGNING_KEY: z.string().transform(orIssue(parseSigningKey)),
    ORIGIN_SECRET: z.string().min(32),
    /** Of the bucket: the page sends photos there. */
    STORAGE_ORIGIN: z.url(),
    ...modelVariables,
    /** See lambda-stream.ts. */
    PAD_EMPTY_ANSWERS: z.stringbool().default(false),
  }),
  process.env,
  { secret: ['SIGNING_KEY', 'ORIGIN_SECRET'], warn: warnOnStandardError },
);
const { logLevel, limits, prices, rateLimits, outbound, publicUrl, acceptsNoncommercial } = serviceSettings(variables);
const models = installedModels(variables);
checkCommercialUse(models, prices, acceptsNoncommercial);

const api = createApp({
  ...openAwsStores(variables, { limits: rateLimits }),
  signer: createSigner(variables.SIGNING_KEY),
  installedModels: models,
  limits,
  prices,
  log: createStandardLog(logLevel, process.stdout),
  metrics: createMetrics(),
  now: Date.now,
  publicUrl,
  outbound: createGuardedFetch(outbound),
  streamSeconds: LAMBDA_STREAM_SECONDS,
  ...(rateLimits && { limiter: createRateLimiter({ limits: rateLimits, now: Date.now, isAlone: false }) }),
});
const website = createWebsite(api.fetch, { load: readWebsite, storageOrigin: variables.STORAGE_ORIGIN });
const guarded = requireOriginSecret(underPublicPath(website.fetch, publicUrl), variables.ORIGIN_SECRET);

/** The files of the bundle (infra/function-bundle.ts). */
async function readWebsite(): Promise<WebsiteFiles> {
  const directory = new URL('./web/', import.meta.url);
  const names = await readdir(directory);
  const files = names.map(async (name) => [name, new Uint8Array(await readFile(new URL(name, directory)))] as const);
  return new Map(await Promise.all(files));
}

/** For API Gateway and load balancers: the whole answer at once, so no events and no waiting. */
export const buffered = handle(guarded);
/** For the function's own URL. Only Lambda itself can stream. */
export const handler = canStream()
  ? neverUnwritten(streamHandle(guarded), variables.PAD_EMPTY_ANSWERS ? ' ' : '')
  : buffered;
