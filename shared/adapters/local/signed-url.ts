import { createHmac, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../error.ts';
import { isObjectKey } from '../../object-key.ts';

/** What the holder of a signed URL may do. */
export type SignedRequest =
  | { method: 'PUT'; key: string; contentType: string; bytes: number }
  | { method: 'GET'; key: string; filename: string };

/** The part of a request that the signature covers; a Web `Request` is one. */
export interface RequestHead {
  method: string;
  /** Absolute. */
  url: string;
  headers: { get(name: string): string | null };
}

/** The routes of the server that holds the objects begin so. */
const PATH = '/blobs/';

/** A URL relative to the origin of the server. `expiresAt`: milliseconds since 1970. */
export function signUrl(request: SignedRequest, expiresAt: number, secret: string): string {
  const { method, key } = request;
  const parameters = new URLSearchParams(
    method === 'PUT'
      ? { method, bytes: String(request.bytes), content_type: request.contentType }
      : { method, filename: request.filename },
  );
  parameters.set('expires', String(expiresAt));
  parameters.set('signature', signature(key, parameters, secret).toString('base64url'));
  return `${PATH}${key}?${parameters}`;
}

/**
 * What the URL allows, when the request is just that and in time. `now`: milliseconds since 1970.
 * Throws `signature-invalid` naming the rule, and `length-required`.
 */
export function verifySignedRequest(request: RequestHead, secret: string, now: number): SignedRequest {
  const { pathname, searchParams } = new URL(request.url);
  const key = pathname.slice(PATH.length);
  const given = Buffer.from(searchParams.get('signature') ?? '', 'base64url');
  const expected = signature(key, searchParams, secret);
  const isOurs = given.length === expected.length && timingSafeEqual(given, expected);
  if (!isOurs || !pathname.startsWith(PATH) || !isObjectKey(key)) {
    throw new AppError('signature-invalid', 'The signature does not belong to this URL: it was altered or cut off.');
  }
  const method = searchParams.get('method');
  if (request.method !== method) {
    throw new AppError('signature-invalid', `The URL was signed for ${method}, not for ${request.method}.`);
  }
  const expiresAt = Number(searchParams.get('expires'));
  if (expiresAt <= now) {
    throw new AppError('signature-invalid', `The URL expired at ${new Date(expiresAt).toISOString()}.`);
  }
  if (method === 'GET') return { method, key, filename: searchParams.get('filename') ?? '' };
  const contentType = searchParams.get('content_type') ?? '';
  const bytes = Number(searchParams.get('bytes'));
  checkUploadHeaders(request.headers, contentType, bytes);
  return { method: 'PUT', key, contentType, bytes };
}

function checkUploadHeaders(headers: RequestHead['headers'], contentType: string, bytes: number): void {
  const length = headers.get('content-length');
  if (length === null) throw new AppError('length-required', `Content-Length must be ${bytes}; there is none.`);
  if (length !== String(bytes)) {
    throw new AppError('signature-invalid', `Content-Length was signed as ${bytes}; it is ${length}.`);
  }
  const type = headers.get('content-type');
  if (type !== contentType) {
    throw new AppError('signature-invalid', `Content-Type was signed as ${contentType}; it is ${type ?? 'absent'}.`);
  }
}

/** HMAC-SHA-256 over a JSON array: its quotes and commas keep the fields apart. */
function signature(key: string, parameters: URLSearchParams, secret: string): Buffer {
  const fields = ['method', 'bytes', 'content_type', 'filename', 'expires'].map((name) => parameters.get(name));
  return createHmac('sha256', secret)
    .update(JSON.stringify([key, ...fields]))
    .digest();
}
