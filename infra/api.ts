import { apiStatements } from './access.ts';
import { createFunction } from './function.ts';
import { settings } from './settings.ts';
import { bucket } from './storage.ts';

/** What the world sees: CloudFront with a firewall, and the API behind it. */

/** A private Ed25519 key in JSON (RFC 8037). Receipts prove nothing once it is lost. */
const signingKey = new sst.Secret('SigningKey');
/** 32 characters or more, known to nobody else. */
const originSecret = new sst.Secret('OriginSecret');

/** A stream of events ends after 5 minutes; CloudFront gives up an answer of which nothing comes for a minute. */
const TIMEOUT_SECONDS = 330;
const READ_TIMEOUT_SECONDS = 60;
/** Per IP address, in 5 minutes. Whoever watches a job asks twice a second. */
const FIREWALL_RATE = 2000;

/**
 * The function's own address is public: that a request came through the firewall, the secret proves. Signing requests to
 * the origin instead would overwrite `Authorization`.
 */
export const router = new sst.aws.Router('Router', {
  ...(settings.domain !== undefined && { domain: settings.domain }),
  protection: 'none',
  waf: { rateLimitPerIp: FIREWALL_RATE },
  edge: {
    viewerRequest: {
      // functions/api/origin-secret.ts reads it. Headers have small letters here.
      injection: originSecret.value.apply(
        (secret) => `event.request.headers['x-origin-secret'] = { value: ${JSON.stringify(secret)} };`,
      ),
    },
  },
  transform: {
    // Nothing is kept: SST's policy would answer one caller with what another has asked for with his key.
    cachePolicy: (args) => {
      args.maxTtl = 0;
      args.parametersInCacheKeyAndForwardedToOrigin = {
        cookiesConfig: { cookieBehavior: 'none' },
        headersConfig: { headerBehavior: 'none' },
        queryStringsConfig: { queryStringBehavior: 'none' },
        enableAcceptEncodingBrotli: false,
        enableAcceptEncodingGzip: false,
      };
    },
  },
});

export const api = createFunction('Api', 'api', {
  statements: apiStatements,
  timeoutSeconds: TIMEOUT_SECONDS,
  url: { cors: false, router: { instance: router, readTimeout: `${READ_TIMEOUT_SECONDS} seconds` } },
  environment: {
    PUBLIC_URL: router.url,
    MODELS: settings.models,
    SIGNING_KEY: signingKey.value,
    ORIGIN_SECRET: originSecret.value,
    STORAGE_ORIGIN: $interpolate`https://${bucket.nodes.bucket.bucketRegionalDomainName}`,
  },
});
