import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { AppError } from '../../error.ts';

interface Target {
  Bucket: string;
  Key: string;
  ContentType: string;
}

/** S3 takes no body of unknown length: so much is gathered, twice at most. 10,000 of them are the largest object. */
export const PART_BYTES = 8 * 1024 * 1024;
/** S3 answers 409 to a writer that meets another one, which may yet fail. */
const MAX_CONFLICTS = 5;

const ONCE = { IfNoneMatch: '*' } as const;
/** What arrives is checked, as far as the SDK knows how: TLS ends before the disk. */
const CHECKED = { ChecksumAlgorithm: 'CRC32' } as const;

/**
 * Creates the object in one request, or in parts where it is longer than PART_BYTES. Nothing is there before the last
 * byte. Throws `already-exists`.
 */
export async function putObject(
  client: S3Client,
  target: Target,
  body: ReadableStream<Uint8Array>,
): Promise<{ bytes: number }> {
  const parts = inParts(body);
  const first = (await parts.next()).value ?? new Uint8Array();
  const second = await parts.next();
  try {
    if (second.done) return await putWhole(client, target, first);
    return await putParts(client, target, [first, second.value], parts);
  } catch (error) {
    if (!isAnswer(error, 412)) throw error;
    throw new AppError('already-exists', `There is an object ${target.Key} already.`);
  }
}

async function putWhole(client: S3Client, target: Target, Body: Uint8Array): Promise<{ bytes: number }> {
  for (let conflicts = 0; ; conflicts++) {
    try {
      await client.send(new PutObjectCommand({ ...target, ...ONCE, ...CHECKED, Body }));
      return { bytes: Body.length };
    } catch (error) {
      if (!isAnswer(error, 409) || conflicts === MAX_CONFLICTS) throw error;
    }
  }
}

async function putParts(
  client: S3Client,
  { ContentType, ...object }: Target,
  beginning: Uint8Array[],
  rest: AsyncGenerator<Uint8Array>,
): Promise<{ bytes: number }> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...object, ContentType, ...CHECKED }));
  const upload = { ...object, UploadId };
  try {
    const sent: CompletedPart[] = [];
    let bytes = 0;
    const send = async (Body: Uint8Array) => {
      const PartNumber = sent.length + 1;
      const part = new UploadPartCommand({ ...upload, ...CHECKED, PartNumber, Body });
      const { ETag, ChecksumCRC32 } = await client.send(part);
      sent.push({ PartNumber, ETag, ChecksumCRC32 });
      bytes += Body.length;
    };
    for (const part of beginning) await send(part);
    for await (const part of rest) await send(part);
    await client.send(new CompleteMultipartUploadCommand({ ...upload, ...ONCE, MultipartUpload: { Parts: sent } }));
    return { bytes };
  } catch (error) {
    // Should this fail too, the bucket's lifecycle rule removes the parts.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
    throw error;
  }
}

/** All of PART_BYTES but the last; none for an empty body. */
async function* inParts(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
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

function isAnswer(error: unknown, status: number): boolean {
  return error instanceof S3ServiceException && error.$metadata.httpStatusCode === status;
}
