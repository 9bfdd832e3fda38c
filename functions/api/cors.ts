import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';

/** Named one by one: the wildcard does not cover Authorization (Fetch standard, CORS protocol). */
const ALLOWED_HEADERS = [
  'Authorization',
  'X-Api-Key',
  'Content-Type',
  'Idempotency-Key',
  'Prefer',
  'Cancel-After',
  'If-None-Match',
  'If-Range',
  'Range',
  'Last-Event-ID',
  'traceparent',
];
const EXPOSED_HEADERS = [
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
  'WWW-Authenticate',
  'Accept-Ranges',
  'Content-Range',
  'Content-Disposition',
];
/** RFC 9110, section 5.6.2. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

const plain = allow(ALLOWED_HEADERS);

/** Files are had from a bucket, or from its stand-in (local/blob-routes.ts), which has a rule of its own. */
const FILES = /^\/blobs\//;

/** Any origin may call: the key in a header gives the rights, never a cookie. */
export const allowCrossOrigin: MiddlewareHandler = async (c, next) => {
  if (FILES.test(c.req.path)) return next();
  const asked = c.req.header('Access-Control-Request-Headers')?.split(',');
  if (!asked) return plain(c, next);
  // Other headers of a page do no harm (tracing libraries have their own).
  const others = asked.map((name) => name.trim()).filter((name) => TOKEN.test(name));
  return allow([...ALLOWED_HEADERS, ...others])(c, next);
};

function allow(allowHeaders: string[]): MiddlewareHandler {
  return cors({
    origin: '*',
    allowMethods: ['GET', 'HEAD', 'POST', 'DELETE'],
    allowHeaders,
    exposeHeaders: EXPOSED_HEADERS,
    maxAge: 7200, // Chromium keeps a preflight no longer.
  });
}
