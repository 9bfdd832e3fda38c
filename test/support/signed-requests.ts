import { createHash } from 'node:crypto';
import { request as open } from 'node:http';
import { buffer } from 'node:stream/consumers';
import type { ObjectStore } from '../../shared/ports.ts';

/**
 * Requests of clients to signed URLs and forms, right and wrong, and the answers of S3. The statuses are those of S3 as
 * its documentation and two servers of other people say; where a server is known to differ it is named.
 */

/** The store, and the server that its URLs lead to. */
export interface Bucket {
  store: ObjectStore;
  origin: string;
}

interface Case {
  /** Sent instead of the signer's headers, or besides them. */
  headers?: Record<string, string>;
  without?: string;
  query?: string;
  method?: string;
  body?: string;
  isChunked?: true;
  status: number;
  /** Where another server differs, and why that does not matter. */
  elsewhere?: Record<string, number>;
}

const FILE = 'these bytes';
const TYPE = 'image/png';
const md5 = (text: string) => createHash('md5').update(text).digest('base64');
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64');
/** It takes headers of S3 that nobody signed. */
const LAX = { elsewhere: { MiniStack: 200 } };

export const UPLOADS: Record<string, Case> = {
  'as told': { status: 200 },
  'without If-None-Match': { without: 'If-None-Match', status: 403 },
  'with another If-None-Match': { headers: { 'If-None-Match': '"tag"' }, status: 403 },
  'without Content-Type': { without: 'Content-Type', status: 403 },
  'with a type in capitals': { headers: { 'Content-Type': 'IMAGE/PNG' }, status: 403 },
  'with a charset': { headers: { 'Content-Type': 'image/png; charset=utf-8' }, status: 403 },
  'with another type': { headers: { 'Content-Type': 'text/html' }, status: 403 },
  'too short': { body: 'these', status: 403 },
  'too long': { body: 'these bytes!', status: 403 },
  empty: { body: '', status: 403 },
  // S3 names the length that is missing; the servers only see that a signed header is not there.
  'in chunks, without a length': { isChunked: true, status: 411, elsewhere: { versitygw: 403, MiniStack: 403 } },
  'with metadata': { headers: { 'x-amz-meta-note': 'mine' }, status: 403, ...LAX },
  'with an access list': { headers: { 'x-amz-acl': 'public-read' }, status: 403, elsewhere: { MiniStack: 400 } },
  'with tags': { headers: { 'x-amz-tagging': 'a=b' }, status: 403, ...LAX },
  'with a storage class': { headers: { 'x-amz-storage-class': 'STANDARD_IA' }, status: 403, ...LAX },
  'with a date of its own': { headers: { 'x-amz-date': '20260101T000000Z' }, status: 403, ...LAX },
  'with the hash of the body': { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, status: 403, ...LAX },
  'with a checksum': { headers: { 'x-amz-checksum-sha256': sha256(FILE) }, status: 403, ...LAX },
  'with a wrong checksum': {
    headers: { 'x-amz-checksum-sha256': sha256('x') },
    status: 403,
    elsewhere: { MiniStack: 400 },
  },
  'with an algorithm for checksums': { headers: { 'x-amz-sdk-checksum-algorithm': 'CRC32' }, status: 403, ...LAX },
  'with Content-MD5': { headers: { 'Content-MD5': md5(FILE) }, status: 200 },
  'with a wrong Content-MD5': { headers: { 'Content-MD5': md5('x') }, status: 400 },
  'with a Content-MD5 that is none': { headers: { 'Content-MD5': 'abc' }, status: 400 },
  'with headers of tracing libraries': {
    headers: { baggage: 'a=b', 'sentry-trace': '0', traceparent: '00-1-1-01', 'X-Amzn-Trace-Id': 'Root=1' },
    status: 200,
  },
  'with headers that browsers add': {
    headers: { Origin: 'https://shop.example', Referer: 'https://shop.example/' },
    status: 200,
  },
  'with a cookie': { headers: { Cookie: 'a=b' }, status: 200 },
  'with Cache-Control': { headers: { 'Cache-Control': 'no-store' }, status: 200 },
  // "Only one auth mechanism allowed"; the servers look at the URL alone.
  'with a key beside the signature': {
    headers: { Authorization: 'Bearer sr_live_key' },
    status: 400,
    elsewhere: { versitygw: 200, MiniStack: 200 },
  },
  'with a parameter': { query: '&a=b', status: 403 },
  'with a parameter of S3': { query: '&x-amz-acl=public-read', status: 403 },
  'with the checksum of an empty body': { query: '&x-amz-checksum-crc32=AAAAAA%3D%3D', status: 403 },
  'by POST': { method: 'POST', status: 405, elsewhere: { MiniStack: 403 } },
  'by PATCH': { method: 'PATCH', status: 405, elsewhere: { MiniStack: 403 } },
  'by GET': { method: 'GET', status: 403 },
  'by HEAD': { method: 'HEAD', status: 403 },
  'by DELETE': { method: 'DELETE', status: 403 },
};

export const DOWNLOADS: Record<string, Case & { isErased?: true }> = {
  'as told': { status: 200 },
  'by HEAD': { method: 'HEAD', status: 403 },
  'by PUT': { method: 'PUT', body: FILE, status: 403 },
  'by DELETE': { method: 'DELETE', status: 403 },
  'with a parameter': { query: '&a=b', status: 403 },
  'as another type': { query: '&response-content-type=text%2Fhtml', status: 403 },
  'with metadata': { headers: { 'x-amz-meta-note': 'mine' }, status: 403, ...LAX },
  'with checksums asked for': { headers: { 'x-amz-checksum-mode': 'ENABLED' }, status: 403, ...LAX },
  'with a date of its own': { headers: { 'x-amz-date': '20260101T000000Z' }, status: 403, ...LAX },
  'with headers of tracing libraries': { headers: { baggage: 'a=b', traceparent: '00-1-1-01' }, status: 200 },
  'with a cookie': { headers: { Cookie: 'a=b' }, status: 200 },
  'of a part': { headers: { Range: 'bytes=2-4' }, status: 206 },
  'of the end': { headers: { Range: 'bytes=-3' }, status: 206 },
  'of a part behind the end': { headers: { Range: 'bytes=99-' }, status: 416 },
  'of nothing': { headers: { Range: 'bytes=-0' }, status: 416 },
  'of a part that is none': { headers: { Range: 'bytes=5-2' }, status: 200, elsewhere: { MiniStack: 416 } },
  'of two parts': { headers: { Range: 'bytes=0-1,3-4' }, status: 200, elsewhere: { MiniStack: 206 } },
  'of lines': { headers: { Range: 'lines=0-1' }, status: 200, elsewhere: { MiniStack: 416 } },
  'of a known file': { headers: { 'If-None-Match': '*' }, status: 304 },
  'of a file with another tag': { headers: { 'If-None-Match': '"tag"' }, status: 200 },
  'if it is another': { headers: { 'If-Match': '"tag"' }, status: 412 },
  'if it is any': { headers: { 'If-Match': '*' }, status: 200 },
  'if it is older than all': { headers: { 'If-Unmodified-Since': 'Thu, 01 Jan 2009 00:00:00 GMT' }, status: 412 },
  'if it is older than it is': { headers: { 'If-Unmodified-Since': 'Thu, 01 Jan 2099 00:00:00 GMT' }, status: 200 },
  'if it is new': { headers: { 'If-Modified-Since': 'Thu, 01 Jan 2009 00:00:00 GMT' }, status: 200 },
  'of an erased file': { isErased: true, status: 404 },
};

export const PREFLIGHTS: Record<string, Case> = {
  'of a PUT': { headers: { 'Access-Control-Request-Method': 'PUT' }, status: 200 },
  'of a PUT with headers of tracing libraries': {
    headers: {
      'Access-Control-Request-Method': 'PUT',
      'Access-Control-Request-Headers': 'baggage,content-type,if-none-match,sentry-trace,x-requested-with',
    },
    status: 200,
  },
  'of a GET': { headers: { 'Access-Control-Request-Method': 'GET' }, status: 200 },
  'of a POST': { headers: { 'Access-Control-Request-Method': 'POST' }, status: 200 },
  'of a HEAD': { headers: { 'Access-Control-Request-Method': 'HEAD' }, status: 200 },
  'of a DELETE': { headers: { 'Access-Control-Request-Method': 'DELETE' }, status: 403 },
  'of a PATCH': { headers: { 'Access-Control-Request-Method': 'PATCH' }, status: 400, elsewhere: { MiniStack: 403 } },
  'of nothing': { status: 400, elsewhere: { MiniStack: 403 } },
};

interface FormCase {
  /** Before the signed ones. */
  first?: Record<string, string>;
  change?: Record<string, string>;
  without?: RegExp;
  /** Null: there is no file. */
  file?: string | null;
  type?: string;
  last?: Record<string, string>;
  headers?: Record<string, string>;
  contentType?: string;
  status: number;
  elsewhere?: Record<string, number>;
}

export const FORMS: Record<string, FormCase> = {
  'as told': { status: 201 },
  'with a file of another type': { type: 'text/html', status: 201 },
  'with a field more': { first: { note: 'mine' }, status: 403 },
  'with a field that is to be ignored': { first: { 'x-ignore-note': 'mine' }, status: 201 },
  'with 30 fields that are to be ignored': {
    first: Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`x-ignore-${i}`, 'x'])),
    status: 201,
  },
  'with metadata': { first: { 'x-amz-meta-note': 'mine' }, status: 403 },
  'with an access list': { first: { acl: 'public-read' }, status: 403 },
  'with a checksum': { first: { 'x-amz-checksum-sha256': sha256(FILE) }, status: 403 },
  'with Content-MD5': { first: { 'Content-MD5': md5(FILE) }, status: 403 },
  'with another page to go to': { first: { success_action_redirect: 'https://shop.example' }, status: 403 },
  'with a button behind the file': { last: { submit: 'Send' }, status: 403 },
  'without a type': { without: /^content-type$/i, status: 403 },
  'without a status': { without: /^success_action_status$/, status: 403 },
  'without a key': { without: /^key$/, status: 400 },
  'without a policy': { without: /^policy$/i, status: 400 },
  'without a signature': { without: /signature$/i, status: 400 },
  'with another type': { change: { 'Content-Type': 'text/html' }, status: 403 },
  'with another status': { change: { success_action_status: '200' }, status: 403 },
  'too short': { file: 'these', status: 400 },
  'too long': { file: 'these bytes and more', status: 400 },
  empty: { file: '', status: 400 },
  'without a file': { file: null, status: 400 },
  'that is no form': { contentType: 'application/x-www-form-urlencoded', status: 412, elsewhere: { MiniStack: 403 } },
  'with headers of tracing libraries': { headers: { baggage: 'a=b', traceparent: '00-1-1-01' }, status: 201 },
};

/** The status, and whether there is an object then. */
export async function upload({ store, origin }: Bucket, key: string, given: Case) {
  const signed = await store.signUpload({ key, contentType: TYPE, bytes: FILE.length, expiresAt: soon() });
  const headers = { ...signed.headers, ...given.headers };
  if (given.without) delete headers[given.without];
  const method = given.method ?? 'PUT';
  const isBodiless = ['GET', 'HEAD', 'DELETE'].includes(method);
  const body = isBodiless ? undefined : (given.body ?? FILE);
  const status = await send(origin + query(signed.url, origin, given), method, headers, body, given.isChunked);
  return { status, isThere: (await store.head(key)) !== null };
}

export async function download({ store, origin }: Bucket, key: string, given: Case & { isErased?: true }) {
  await store.put(key, new Blob([FILE]).stream(), { contentType: TYPE });
  const url = await store.signDownload({ key, filename: 'photo.png', expiresAt: soon() });
  if (given.isErased) await store.delete(key);
  return send(origin + query(url, origin, given), given.method ?? 'GET', given.headers ?? {}, given.body);
}

export async function preflight({ store, origin }: Bucket, key: string, { headers }: Case) {
  const { url } = await store.signUpload({ key, contentType: TYPE, bytes: FILE.length, expiresAt: soon() });
  return send(origin + query(url, origin, {}), 'OPTIONS', { Origin: 'https://shop.example', ...headers });
}

export async function form({ store, origin }: Bucket, key: string, given: FormCase) {
  const signed = await store.signForm({ key, contentType: TYPE, bytes: FILE.length, expiresAt: soon() });
  const fields = Object.entries({ ...given.first, ...signed.fields, ...given.change });
  const parts = fields
    .filter(([name]) => !given.without?.test(name))
    .map(([name, value]) => part(`name="${name}"`, value));
  if (given.file !== null) {
    parts.push(part(`name="file"; filename="a.png"\r\nContent-Type: ${given.type ?? TYPE}`, given.file ?? FILE));
  }
  parts.push(...Object.entries(given.last ?? {}).map(([name, value]) => part(`name="${name}"`, value)));
  const body = `${parts.join('')}--${BOUNDARY}--\r\n`;
  const contentType = given.contentType ?? `multipart/form-data; boundary=${BOUNDARY}`;
  const url = origin + query(signed.url, origin, {});
  const status = await send(url, 'POST', { 'Content-Type': contentType, ...given.headers }, body);
  return { status, isThere: (await store.head(key)) !== null };
}

const BOUNDARY = 'between-two-fields';
const part = (head: string, value: string) =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; ${head}\r\n\r\n${value}\r\n`;
const soon = () => Date.now() + 60_000;

/** Path and query of a URL that may be relative. */
function query(url: string, origin: string, { query = '' }: Pick<Case, 'query'>): string {
  const { pathname, search } = new URL(url + query, origin);
  return pathname + search;
}

/** As it stands: `fetch` would change it. */
async function send(url: string, method: string, headers: Record<string, string>, body?: string, isChunked?: true) {
  const framing: Record<string, string> = isChunked
    ? { 'Transfer-Encoding': 'chunked' }
    : { ...(body !== undefined && { 'Content-Length': String(Buffer.byteLength(body)) }) };
  return new Promise<number | undefined>((resolve, reject) => {
    const outgoing = open(url, { method, headers: { ...headers, ...framing }, agent: false }, (answer) => {
      buffer(answer).then(() => resolve(answer.statusCode), reject);
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
