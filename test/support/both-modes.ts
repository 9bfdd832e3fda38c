import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { underPublicPath } from '../../functions/api/origin.ts';
import { ORIGIN_SECRET_HEADER } from '../../functions/api/origin-secret.ts';
import { createWebsite } from '../../functions/api/website.ts';
import { admitArrived } from '../../functions/arrive/arrive.ts';
import { bundleFunction } from '../../infra/function-bundle.ts';
import { createBlobRoutes } from '../../local/blob-routes.ts';
import { createHttpServer } from '../../local/http-server.ts';
import { buildWebsite } from '../../local/website-files.ts';
import type { FileObjectStore } from '../../shared/adapters/local/file-object-store.ts';
import { createGuardedFetch } from '../../shared/adapters/node/guarded-fetch.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';
import { modelsNamed, SHIPPED_IDS } from '../../shared/methods/registry.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { createRateLimiter } from '../../shared/rate-limit.ts';
import { parseRateLimits } from '../../shared/rate-limits.ts';
import { createSigner, parseSigningKey } from '../../shared/signature.ts';
import { AWS } from './aws-servers.ts';
import { startLambda } from './lambda.ts';
import { createService, type Service } from './service.ts';
import { openTroubledStores } from './troubled-stores.ts';

interface AskedAnswer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** The service in one of its two modes, as clients see it, and behind it the stores. */
export interface Mode {
  name: 'local' | 'AWS';
  service: Service & { outbound: NonNullable<Service['outbound']> };
  call(method: string, path: string, headers: Record<string, string>, body?: string): Promise<AskedAnswer>;
  /** Happens by itself when a file has come. */
  notice(key: string): Promise<void>;
  /** Where a signed URL of it leads, from here. */
  reach(url: string): string;
  close(): Promise<void>;
}

const PUBLIC_URL = 'https://api.example/';
const ORIGIN_SECRET = 'a secret that only the distribution and the function know';
/** One for both: the same content then has the same signature. */
const SIGNING_KEY = JSON.stringify(generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }));
/** Counted as if no time passed: however long a test takes, the same is left. */
const window_seconds = 1e9;
const RATE_LIMITS = JSON.stringify({
  burst: { quota: 10_000, window_seconds },
  poll: { quota: 10_000, window_seconds },
  jobs: { quota: 1000, window_seconds },
  previews: { quota: 50, window_seconds },
  keys: { quota: 100, window_seconds },
  tokens: { quota: 100, window_seconds },
  pings: { quota: 100, window_seconds },
});

/** The configuration of both, in the same words. `hosts`: of receivers on loopback. */
function settings(hosts: string[]) {
  const rateLimits = parseRateLimits(RATE_LIMITS)!;
  return {
    now: Date.now,
    limits: { ...DEFAULT_LIMITS, heic: false },
    prices: PRICE_LISTS.standard,
    installedModels: modelsNamed(SHIPPED_IDS),
    signer: createSigner(parseSigningKey(SIGNING_KEY)),
    publicUrl: PUBLIC_URL,
    outbound: createGuardedFetch({ allowHttp: false, allowHosts: hosts }),
    rateLimits,
    // One process tells its counts, of several none does: here it must not make the difference.
    limiter: createRateLimiter({ limits: rateLimits, now: Date.now, isAlone: false }),
  };
}

/** SQLite and files, behind the HTTP server of `npm start`. */
export async function openLocalMode(hosts: string[]): Promise<Mode> {
  const given = settings(hosts);
  const service = { ...(await createService(given)), outbound: given.outbound };
  service.app.route('/blobs', createBlobRoutes({ ...service, objects: service.objects as FileObjectStore }));
  const website = createWebsite(service.app.fetch, { load: buildWebsite });
  const server = createHttpServer(underPublicPath(website.fetch, PUBLIC_URL)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    name: 'local',
    service,
    async call(method, path, headers, body) {
      // `fetch` would ask for encodings that nobody asked for.
      const asked = { 'Accept-Encoding': 'identity', ...headers };
      const response = await fetch(origin + path, {
        method,
        headers: asked,
        redirect: 'manual',
        ...(body && { body }),
      });
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        body: Buffer.from(await response.arrayBuffer()),
      };
    },
    notice: async () => {}, // the process that took the file has done it
    reach: (url) => url.replace(new URL(PUBLIC_URL).origin, origin),
    async close() {
      server.closeAllConnections();
      server.close();
      await service.close();
    },
  };
}

/** DynamoDB, S3 and SQS behind the bundle of the API in a process of its own; `directory`: for the bundle. */
export async function openAwsMode(hosts: string[], directory: string): Promise<Mode> {
  const given = settings(hosts);
  const stores = await openTroubledStores(Date.now, { limits: given.rateLimits });
  const service = { ...(await createService({ ...given, ...stores.direct })), outbound: given.outbound };
  const lambda = await startLambda(join(await bundleFunction('api', directory), 'index.mjs'), {
    ...stores.variables,
    S3_PATH_STYLE: 'true',
    AWS_REGION: AWS.region,
    AWS_ACCESS_KEY_ID: AWS.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: AWS.credentials.secretAccessKey,
    PUBLIC_URL,
    STORAGE_ORIGIN: stores.variables.AWS_ENDPOINT_URL_S3,
    PRICES: 'standard',
    RATE_LIMITS,
    FETCH_ALLOW_HOSTS: hosts.join(),
    MODELS: SHIPPED_IDS.join(','),
    SIGNING_KEY,
    ORIGIN_SECRET,
    LOG_LEVEL: 'silent',
  });
  return {
    name: 'AWS',
    service: { ...service, deadLetters: stores.direct.deadLetters as Service['deadLetters'] },
    async call(method, path, headers, body) {
      const lower = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
      const passed = { ...lower, [ORIGIN_SECRET_HEADER.toLowerCase()]: ORIGIN_SECRET };
      const answer = await lambda.call({ method, path, headers: passed, ...(body && { body }) });
      return { status: answer.status, headers: answer.headers, body: Buffer.from(answer.body, 'base64') };
    },
    notice: (key) => admitArrived(service, { Records: [{ s3: { object: { key } } }] }),
    reach: (url) => url,
    async close() {
      await lambda.stop();
      await service.close();
      await stores.close();
    },
  };
}
