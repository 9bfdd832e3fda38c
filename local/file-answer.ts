import { isKnownToClient } from '../functions/api/poll-headers.ts';
import type { OpenFile } from '../shared/adapters/local/file-object-store.ts';
import { AppError } from '../shared/error.ts';

interface ByteRange {
  first: number;
  last: number;
}

/**
 * The answer to GET or HEAD for a file that never changes, or to a part of it (RFC 9110, sections 13 and 14). Takes the
 * file, and closes it. Throws `range-not-satisfiable` and `precondition-failed`.
 */
export async function answerWithFile(
  { method, headers: asked }: Pick<Request, 'method' | 'headers'>,
  file: OpenFile,
  given: Record<string, string>,
): Promise<Response> {
  const { bytes, contentType, etag, modifiedAt } = file;
  const headers = {
    ...given,
    ETag: etag,
    'Last-Modified': new Date(modifiedAt).toUTCString(),
    'Accept-Ranges': 'bytes',
  };
  const whole = { ...headers, 'Content-Type': contentType, 'Content-Length': String(bytes) };
  const broken = brokenCondition(asked, file);
  if (broken) {
    await file.close();
    throw new AppError('precondition-failed', `The file is another one than ${broken} names.`);
  }
  if (isKnown(asked, file)) return withoutBody(file, 304, headers);
  // A body that nobody reads would keep its file open.
  if (method === 'HEAD' || bytes === 0) return withoutBody(file, 200, whole);
  // A download that was begun of another file is begun anew. Compared strongly: all that is known here are strong tags.
  const isSame = (asked.get('If-Range') ?? etag) === etag;
  const range = isSame ? readRange(asked.get('Range'), bytes) : undefined;
  if (!range) return new Response(file.read({ first: 0, last: bytes - 1 }), { headers: whole });
  if (range.first >= bytes) {
    await file.close();
    throw new AppError('range-not-satisfiable', `The file has ${bytes} bytes; Range is ${asked.get('Range')}.`, {
      headers: { 'Content-Range': `bytes */${bytes}` },
    });
  }
  const { first, last } = range;
  const part = { 'Content-Length': String(last - first + 1), 'Content-Range': `bytes ${first}-${last}/${bytes}` };
  return new Response(file.read(range), { status: 206, headers: { ...whole, ...part } });
}

/** The name of the header. A tag says more than a time, which is not looked at beside it. */
function brokenCondition(asked: Headers, { etag, modifiedAt }: OpenFile): string | undefined {
  const tags = asked.get('If-Match');
  if (tags !== null) {
    const isNamed = tags.split(',').some((tag) => [etag, '*'].includes(tag.trim()));
    return isNamed ? undefined : 'If-Match';
  }
  return wholeSeconds(modifiedAt) > timeOf(asked, 'If-Unmodified-Since') ? 'If-Unmodified-Since' : undefined;
}

function isKnown(asked: Headers, { etag, modifiedAt }: OpenFile): boolean {
  const tags = asked.get('If-None-Match');
  if (tags !== null) return isKnownToClient(tags, etag);
  return wholeSeconds(modifiedAt) <= timeOf(asked, 'If-Modified-Since');
}

/** Milliseconds since 1970. Text that is no time is passed over: nothing compares with NaN. */
function timeOf(asked: Headers, name: string): number {
  return Date.parse(asked.get(name) ?? '');
}

/** As exact as headers are, in milliseconds. */
function wholeSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000) * 1000;
}

async function withoutBody(file: OpenFile, status: number, headers: Record<string, string>): Promise<Response> {
  await file.close();
  return new Response(null, { status, headers });
}

/**
 * Of a file with so many bytes; one that begins behind them cannot be had. Undefined for text that is no range of
 * bytes, and for several at once: a request for a part may get the whole.
 */
function readRange(header: string | null, bytes: number): ByteRange | undefined {
  const [, from = '', to = ''] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? '') ?? [];
  const end = bytes - 1;
  if (from === '') return to === '' ? undefined : { first: Math.max(0, bytes - Number(to)), last: end };
  if (to === '') return { first: Number(from), last: end };
  return Number(from) <= Number(to) ? { first: Number(from), last: Math.min(Number(to), end) } : undefined;
}
