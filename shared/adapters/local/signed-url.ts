import { createHmac, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../error.ts';
import { isObjectKey } from '../../object-key.ts';
import { fromBase64Url } from '../../signature.ts';

/**
 * Signed URLs that hold as those of S3 do (SigV4 in the query): for one method, for exactly these parameters, with the
 * headers that were signed and none of S3's own besides. A client that works here works there.
 */

/** The request that the holder of a signed URL may send. */
export type SignedRequest =
  | ({ method: 'PUT' } & SignedUpload)
  | ({ method: 'PATCH' } & SignedUpload)
  | { method: 'GET' | 'HEAD'; key: string; filename: string };

export interface SignedUpload {
  key: string;
  contentType: string;
  bytes: number;
}

/** The part of a request that the signature covers; a Web `Request` is one. */
export interface RequestHead {
  method: string;
  /** Absolute. */
  url: string;
  headers: Headers;
}

/** The routes of the server that holds the objects begin so. */
const PATH = '/blobs/';
/** They change the behavior of S3, so that it takes them signed or not at all. */
const HEADERS_OF_S3 = /^x-amz-/;
/** CloudFront adds it to every request, which it may stand before. */
const HEADER_OF_CLOUDFRONT = 'x-amz-cf-id';

/** Headers that a PUT needs beside Content-Length, which every client sets by itself (browsers allow nothing else). */
export function uploadHeaders(contentType: string): Record<string, string> {
  return { 'Content-Type': contentType, 'If-None-Match': '*' };
}

/** A URL relative to the origin of the server. `expiresAt`: milliseconds since 1970. */
export function signUrl(request: SignedRequest, expiresAt: number, secret: string): string {
  const { method, key } = request;
  const parameters = new URLSearchParams(
    'bytes' in request
      ? { method, bytes: String(request.bytes), content_type: request.contentType }
      : { method, filename: request.filename },
  );
  parameters.set('expires', String(expiresAt));
  parameters.set('signature', signature(key, parameters, secret).toString('base64url'));
  return `${PATH}${key}?${parameters}`;
}

/**
 * The request that the URL allows, when it is just that and in time; one for PATCH may be asked by HEAD how much has
 * come. `now`: milliseconds since 1970.
 * Throws `signature-invalid` naming the rule, `length-required`, and `malformed` for a key beside the signature.
 */
export function verifySignedRequest(request: RequestHead, secret: string, now: number): SignedRequest {
  const { pathname, searchParams } = new URL(request.url);
  const key = pathname.slice(PATH.length);
  const [given = '', ...others] = searchParams.getAll('signature');
  const bytesGiven = Buffer.from(fromBase64Url(given) ?? []);
  const expected = signature(key, searchParams, secret);
  const isOurs = bytesGiven.length === expected.length && timingSafeEqual(bytesGiven, expected);
  if (!isOurs || others.length > 0 || !pathname.startsWith(PATH) || !isObjectKey(key)) {
    throw refusal('The signature does not belong to this URL: it was altered, added to or cut off.');
  }
  const method = searchParams.get('method');
  const isAsked = method === 'PATCH' && request.method === 'HEAD';
  if (request.method !== method && !isAsked) {
    throw refusal(`The URL was signed for ${method}, not for ${request.method}.`);
  }
  const expiresAt = Number(searchParams.get('expires'));
  if (expiresAt <= now) throw refusal(`The URL expired at ${new Date(expiresAt).toISOString()}.`);
  const added = [...request.headers.keys()].find((name) => HEADERS_OF_S3.test(name) && name !== HEADER_OF_CLOUDFRONT);
  if (added) throw refusal(`The header ${added} was not signed; S3 takes none of its own beside those that were.`);
  if (method === 'GET' || method === 'HEAD') return { method, key, filename: searchParams.get('filename') ?? '' };
  const contentType = searchParams.get('content_type') ?? '';
  const bytes = Number(searchParams.get('bytes'));
  if (method === 'PATCH') return { method, key, contentType, bytes };
  checkUploadHeaders(request.headers, contentType, bytes);
  return { method: 'PUT', key, contentType, bytes };
}

function checkUploadHeaders(headers: Headers, contentType: string, bytes: number): void {
  // A redirect of the API may bring the key along to a download, but nobody is sent to an upload.
  if (headers.has('Authorization')) {
    throw new AppError(
      'malformed',
      'The URL is signed, and there is an Authorization beside it: S3 takes one of both.',
    );
  }
  const length = headers.get('Content-Length');
  if (length === null) throw new AppError('length-required', `Content-Length must be ${bytes}; there is none.`);
  const signed = { 'Content-Length': String(bytes), ...uploadHeaders(contentType) };
  for (const [name, value] of Object.entries(signed)) {
    const sent = headers.get(name);
    if (sent !== value) throw refusal(`${name} was signed as ${value}; it is ${sent ?? 'absent'}.`);
  }
}

function refusal(message: string): AppError {
  return new AppError('signature-invalid', message);
}

/** HMAC-SHA-256 over a JSON array, whose quotes and commas keep the fields apart: the key and all parameters but itself. */
function signature(key: string, parameters: URLSearchParams, secret: string): Buffer {
  const signed = [...parameters].filter(([name]) => name !== 'signature').sort(([a], [b]) => (a < b ? -1 : 1));
  return createHmac('sha256', secret)
    .update(JSON.stringify([key, ...signed]))
    .digest();
}
