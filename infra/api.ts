import { apiStatements } from './access.ts';
import { firewall } from './firewall.ts';
import { createFunction } from './function.ts';
import { settings } from './settings.ts';
import { bucket } from './storage.ts';

/** The public side: CloudFront with a firewall, and the API behind it. */

/** A private Ed25519 key in JSON (RFC 8037). Receipts prove nothing once it is lost. */
const signingKey = new sst.Secret('SigningKey');
/** 32 characters or more, known to nobody else. */
const originSecret = new sst.Secret('OriginSecret');

/** Longer than a caller may wait (MAX_WAIT_SECONDS) or a stream lasts (LAMBDA_STREAM_SECONDS). */
const TIMEOUT_SECONDS = 90;
/** CloudFront gives up an answer of which nothing comes for so long. */
const READ_TIMEOUT_SECONDS = 60;
/** That CloudFront would keep for ten seconds, under the path alone: one caller's error would be another's answer. */
const KEPT_ERRORS = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

/**
 * The function's own address is public: that a request came through the firewall, the secret proves. Signing requests to
 * the origin instead would overwrite `Authorization`.
 */
export const router = new sst.aws.Router('Router', {
  ...(settings.domain !== undefined && { domain: settings.domain }),
  protection: 'none',
  waf: firewall.waf,
  edge: {
    viewerRequest: {
      // functions/api/origin-secret.ts reads it. Headers have small letters here.
      injection: originSecret.value.apply(
        (secret) => `event.request.headers['x-origin-secret'] = { value: ${JSON.stringify(secret)} };`,
      ),
    },
  },
  transform: {
    ...firewall.transform,
    cdn: (args) => {
      args.customErrorResponses = KEPT_ERRORS.map((errorCode) => ({ errorCode, errorCachingMinTtl: 0 }));
    },
    // Nothing is kept: SST's policy would give one caller the answer to another's key.
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
    ...settings.models,
    PAD_EMPTY_ANSWERS: settings.padEmptyAnswers,
    SIGNING_KEY: signingKey.value,
    ORIGIN_SECRET: originSecret.value,
    STORAGE_ORIGIN: $interpolate`https://${bucket.nodes.bucket.bucketRegionalDomainName}`,
  },
});
