import { AppError } from '../../error.ts';
import { refusalOf, type S3Bucket, textOf } from './s3-bucket.ts';

interface Target {
  key: string;
  contentType: string;
}

/** S3 takes no body of unknown length: so much is gathered, twice at most. 10,000 of them are the largest object. */
export const PART_BYTES = 8 * 1024 * 1024;
/** S3 answers 409 to a writer that meets another one, which may yet fail. */
const MAX_CONFLICTS = 5;
const NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';

const ONCE = { 'if-none-match': '*' };

/**
 * Creates the object in one request, or in parts where it is longer than PART_BYTES. Nothing is there before the last
 * byte. Throws `already-exists`.
 */
export async function putObject(
  s3: S3Bucket,
  target: Target,
  body: ReadableStream<Uint8Array>,
): Promise<{ bytes: number }> {
  const parts = inParts(body);
  const first = (await parts.next()).value ?? new Uint8Array();
  const second = await parts.next();
  if (second.done) return putWhole(s3, target, first);
  return putParts(s3, target, [first, second.value], parts);
}

async function putWhole(
  s3: S3Bucket,
  { key, contentType }: Target,
  body: Uint8Array<ArrayBuffer>,
): Promise<{ bytes: number }> {
  const request = { headers: { 'content-type': contentType, ...ONCE }, body, alsoExpected: [409, 412] };
  for (let conflicts = 0; ; conflicts++) {
    const answer = await s3.send('PUT', key, request);
    const text = await answer.text();
    if (answer.ok) return { bytes: body.length };
    if (answer.status === 412) throw alreadyThere(key);
    if (conflicts === MAX_CONFLICTS) throw refusalOf(answer.status, text);
  }
}

async function putParts(
  s3: S3Bucket,
  { key, contentType }: Target,
  beginning: Uint8Array<ArrayBuffer>[],
  rest: AsyncGenerator<Uint8Array<ArrayBuffer>>,
): Promise<{ bytes: number }> {
  const begun = await s3.send('POST', key, { query: { uploads: '' }, headers: { 'content-type': contentType } });
  const uploadId = textOf(await begun.text(), 'UploadId') ?? '';
  try {
    const tags: string[] = [];
    let bytes = 0;
    const send = async (body: Uint8Array<ArrayBuffer>) => {
      const answer = await s3.send('PUT', key, { query: { partNumber: String(tags.length + 1), uploadId }, body });
      await answer.body?.cancel();
      tags.push(answer.headers.get('etag') ?? '');
      bytes += body.length;
    };
    for (const part of beginning) await send(part);
    for await (const part of rest) await send(part);
    await complete(s3, key, uploadId, tags);
    return { bytes };
  } catch (error) {
    // Should this fail too, the bucket's lifecycle rule removes the parts.
    await s3.send('DELETE', key, { query: { uploadId } }).catch(() => {});
    throw error;
  }
}

async function complete(s3: S3Bucket, key: string, uploadId: string, tags: readonly string[]): Promise<void> {
  const parts = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${tag}</ETag></Part>`);
  const xml = `<CompleteMultipartUpload xmlns="${NAMESPACE}">${parts.join('')}</CompleteMultipartUpload>`;
  const answer = await s3.send('POST', key, {
    query: { uploadId },
    headers: ONCE,
    body: new TextEncoder().encode(xml),
    alsoExpected: [412],
  });
  const text = await answer.text();
  if (answer.status === 412) throw alreadyThere(key);
  // S3 begins to answer 200 before it knows.
  if (text.includes('<Error>')) throw refusalOf(answer.status, text);
}

function alreadyThere(key: string): AppError {
  return new AppError('already-exists', `There is an object ${key} already.`);
}

/** All of PART_BYTES but the last; none for an empty body. */
async function* inParts(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < PART_BYTES) continue;
    const gathered = Buffer.concat(chunks);
    let start = 0;
    for (; bytes - start >= PART_BYTES; start += PART_BYTES) yield gathered.subarray(start, start + PART_BYTES);
    chunks = [gathered.subarray(start)];
    bytes -= start;
  }
  if (bytes > 0) yield Buffer.concat(chunks);
}
