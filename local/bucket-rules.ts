import { createHash } from 'node:crypto';
import type { HonoRequest, MiddlewareHandler } from 'hono';
import { BUCKET_CORS } from '../shared/adapters/aws/bucket-cors.ts';
import { AppError } from '../shared/error.ts';

/** Rules of an S3 bucket besides its signatures. */

/** Those that a rule of a bucket can name. */
const METHODS_OF_S3 = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'];
const MD5_BYTES = 16;

/** Preflights are answered as S3 answers them: 200, 403 where the rule does not allow it, 400 where no rule can. */
export const allowPages: MiddlewareHandler = async (c, next) => {
  const { allowMethods, exposeHeaders, maxAgeSeconds } = BUCKET_CORS;
  // Kept in every answer, errors too.
  c.res.headers.set('Access-Control-Allow-Origin', '*');
  c.res.headers.set('Access-Control-Expose-Headers', [...exposeHeaders, 'Upload-Offset'].join(','));
  if (c.req.method !== 'OPTIONS') return next();
  const method = c.req.header('Access-Control-Request-Method') ?? '';
  const methods = isToResume(c.req) ? ['HEAD', 'PATCH'] : allowMethods;
  if (c.req.header('Origin') === undefined || ![...METHODS_OF_S3, ...methods].includes(method)) {
    throw new AppError('malformed', `A preflight names an Origin and a method of S3; the method is "${method}".`);
  }
  if (!methods.some((allowed) => allowed === method)) {
    throw new AppError('signature-invalid', `Pages may ${methods.join(', ')}; the method is ${method}.`);
  }
  c.header('Access-Control-Allow-Methods', methods.join(','));
  const headers = c.req.header('Access-Control-Request-Headers');
  if (headers !== undefined) c.header('Access-Control-Allow-Headers', headers);
  c.header('Access-Control-Max-Age', String(maxAgeSeconds));
  return c.body(null, 200);
};

/** Whether the URL is the one of an upload that goes on where its connection broke, which S3 does not know. */
export const isToResume = (request: HonoRequest) => request.query('method') === 'PATCH';

/** The answer of S3 to a method that it has not. */
export function notOfS3(): AppError {
  const allow = 'GET, HEAD, PUT, POST, DELETE';
  return new AppError('method-not-allowed', `The URL takes ${allow}.`, { headers: { Allow: allow } });
}

/** The body, which fails with `malformed` at its end where it does not match its Content-MD5. */
export function checkedByMd5(body: ReadableStream<Uint8Array>, header: string | undefined): ReadableStream<Uint8Array> {
  if (header === undefined) return body;
  const stated = Buffer.from(header, 'base64');
  if (stated.length !== MD5_BYTES) throw new AppError('malformed', `Content-MD5 is ${header}, which is none.`);
  const hash = createHash('md5');
  const check = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      hash.update(chunk);
      controller.enqueue(chunk);
    },
    flush(controller) {
      const seen = hash.digest();
      if (!seen.equals(stated)) {
        controller.error(
          new AppError('malformed', `Content-MD5 is ${header}; that of the body is ${seen.toString('base64')}.`),
        );
      }
    },
  });
  return body.pipeThrough(check);
}
