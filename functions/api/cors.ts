import { cors } from 'hono/cors';

/** Any origin may call: who may do what is decided by the key in a header, never by cookies. */
export const allowCrossOrigin = cors({
  origin: '*',
  // PUT is for signed uploads, where the object store is served under the same origin.
  allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
  // Named one by one: the wildcard does not cover Authorization (Fetch standard, CORS protocol).
  allowHeaders: [
    'Authorization',
    'X-Api-Key',
    'Content-Type',
    'Idempotency-Key',
    'Prefer',
    'Cancel-After',
    'If-None-Match',
    'Last-Event-ID',
    'traceparent',
  ],
  exposeHeaders: [
    'Location',
    'Retry-After',
    'ETag',
    'RateLimit',
    'RateLimit-Policy',
    'Link',
    'Idempotent-Replayed',
    'Preference-Applied',
    'X-Credits-Reserved',
    'X-Request-Id',
  ],
  maxAge: 7200, // Chromium keeps a preflight no longer.
});
