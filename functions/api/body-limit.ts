import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { createMiddleware } from 'hono/factory';
import { AppError } from '../../shared/error.ts';
import { MAX_INLINE_BYTES, MAX_JSON_BYTES } from '../../shared/limits.ts';
import { parseMediaType } from '../../shared/media-type.ts';
import { checkJsonText } from './strict-json.ts';

const JSON_TYPE = 'application/json';

/** Before every JSON body is parsed. */
export const limitJsonBody = limitBody(MAX_JSON_BYTES);
/** Before one that may hold a photo in base64. */
export const limitJobBody = limitBody(MAX_JSON_BYTES + Math.ceil(MAX_INLINE_BYTES / 3) * 4);

/** Throws `too-large`, `unsupported-media-type`, and `malformed` for text that no JSON body should hold. */
function limitBody(maxSize: number) {
  const limit = bodyLimit({
    maxSize,
    onError: () => {
      throw new AppError('too-large', `A JSON body may have at most ${maxSize} bytes.`);
    },
  });
  return createMiddleware((c, next) =>
    limit(c, async () => {
      if (isJson(c)) await checkBody(c);
      await next();
    }),
  );
}

/** The route refuses other content types. */
function isJson(c: Context): boolean {
  const given = c.req.header('Content-Type');
  const type = parseMediaType(given ?? '');
  if (type?.essence !== JSON_TYPE) return false;
  const encoding = c.req.header('Content-Encoding') ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    throw new AppError('unsupported-media-type', `The Content-Encoding is ${encoding}; JSON is sent as it is.`);
  }
  const { charset = 'utf-8' } = type.parameters;
  if (!/^(?:utf-?8|us-ascii)$/i.test(charset)) {
    throw new AppError('unsupported-media-type', `The Content-Type is ${given}; JSON is sent as UTF-8.`);
  }
  if (given?.toLowerCase() !== JSON_TYPE) {
    // Later on it is compared as text, without the additions that HTTP allows.
    const headers = new Headers(c.req.raw.headers);
    headers.set('Content-Type', JSON_TYPE);
    c.req.raw = new Request(c.req.raw, { headers });
  }
  return true;
}

/** An empty body counts as an empty object, as a missing one does. */
async function checkBody(c: Context): Promise<void> {
  const bytes = new Uint8Array(await c.req.arrayBuffer()); // kept there for the parser
  if (bytes.length > 0) return checkJsonText(bytes);
  c.req.raw = new Request(c.req.raw, { body: '{}' });
  c.req.bodyCache = {};
}
