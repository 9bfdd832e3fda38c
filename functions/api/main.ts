import { readdir, readFile } from 'node:fs/promises';
import { handle, streamHandle } from 'hono/aws-lambda';
import { z } from 'zod';
import { awsVariables, openAwsStores } from '../../shared/adapters/aws/stores.ts';
import { createGuardedFetch } from '../../shared/adapters/node/guarded-fetch.ts';
import { orIssue, readVariables, serviceSettings, sharedVariables } from '../../shared/configuration.ts';
import { createLog } from '../../shared/log.ts';
import { createMetrics } from '../../shared/metrics.ts';
import { MODEL_IDS } from '../../shared/models.ts';
import { createRateLimiter } from '../../shared/rate-limit.ts';
import { createSigner, parseSigningKey } from '../../shared/signature.ts';
import { createApp } from './app.ts';
import { requireOriginSecret } from './origin-secret.ts';
import { createWebsite, type WebsiteFiles } from './website.ts';

/** The HTTP API as a Lambda function behind a distribution. */

const variables = readVariables(
  z.object({
    ...sharedVariables,
    ...awsVariables,
    PUBLIC_URL: z.url({ protocol: /^https?$/ }),
    SIGNING_KEY: z.string().transform(orIssue(parseSigningKey)),
    ORIGIN_SECRET: z.string().min(32),
    /** Of the bucket: the page sends photos there. */
    STORAGE_ORIGIN: z.url(),
    MODELS: z
      .string()
      .transform((list) => list.split(','))
      .pipe(z.array(z.enum(MODEL_IDS))),
  }),
  process.env,
  ['SIGNING_KEY', 'ORIGIN_SECRET'],
);
const { logLevel, limits, prices, rateLimits, outbound, publicUrl } = serviceSettings(variables);

const api = createApp({
  ...openAwsStores(variables, { inflightCap: rateLimits?.inflight.quota }),
  signer: await createSigner(variables.SIGNING_KEY),
  installedModels: variables.MODELS,
  limits,
  prices,
  log: createLog(logLevel, (line) => process.stdout.write(`${line}\n`)),
  metrics: createMetrics(),
  now: Date.now,
  publicUrl,
  outbound: createGuardedFetch(outbound),
  ...(rateLimits && { limiter: createRateLimiter({ limits: rateLimits, now: Date.now }) }),
});
const website = createWebsite(api.fetch, { load: readWebsite, storageOrigin: variables.STORAGE_ORIGIN });
const guarded = requireOriginSecret(website.fetch, variables.ORIGIN_SECRET);

/** What the bundle brings along (infra/function-bundle.ts). */
async function readWebsite(): Promise<WebsiteFiles> {
  const directory = new URL('./web/', import.meta.url);
  const names = await readdir(directory);
  const files = names.map(async (name) => [name, new Uint8Array(await readFile(new URL(name, directory)))] as const);
  return new Map(await Promise.all(files));
}

/** For API Gateway and load balancers: the whole answer at once, so no events and no waiting. */
export const buffered = handle(guarded);
/** For the function's own URL. Only Lambda itself can stream. */
export const handler = canStream() ? streamHandle(guarded) : buffered;

function canStream(): boolean {
  const { awslambda } = globalThis as { awslambda?: { streamifyResponse?: unknown } };
  return awslambda?.streamifyResponse !== undefined;
}
