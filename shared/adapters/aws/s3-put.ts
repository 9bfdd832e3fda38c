import { createHash } from 'node:crypto';
import { AbortMultipartUploadCommand, GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { AppError } from '../../error.ts';
import { asTrouble, STORAGE, statusOf, unavailable } from './aws-trouble.ts';

interface Target {
  bucket: string;
  key: string;
  contentType: string;
}

/** S3 takes no body of unknown length: so much is gathered, twice at most. 10,000 of them are the largest object. */
export const PART_BYTES = 8 * 1024 * 1024;

/**
 * Creates the object in one request, or in parts where it is longer than PART_BYTES. Nothing is there before the last
 * byte. Throws `already-exists` where something else is there: the same bytes are those of a request whose answer was lost.
 */
export async function putObject(
  client: S3Client,
  { bucket, key, contentType }: Target,
  body: ReadableStream<Uint8Array>,
): Promise<{ bytes: number }> {
  const place = { Bucket: bucket, Key: key };
  const sent = measure(body);
  const upload = new Upload({
    client,
    params: { ...place, ContentType: contentType, IfNoneMatch: '*', Body: sent.body },
    partSize: PART_BYTES,
    queueSize: 1,
    leavePartsOnError: true,
  });
  try {
    await upload.done();
  } catch (error) {
    await sent.body.cancel().catch(() => {});
    if (upload.uploadId) await removeParts(client, { ...place, UploadId: upload.uploadId });
    // 404: the parts were put together, or thrown away.
    if (statusOf(error) !== 412 && statusOf(error) !== 404) throw error;
    const there = await digestOf(client, place);
    if (there === undefined) throw unavailable(STORAGE, error);
    if (there !== sent.digest()) throw new AppError('already-exists', `There is an object ${key} already.`);
  }
  return { bytes: sent.bytes() };
}

/** Should this fail too, the bucket's lifecycle rule removes them. The SDK's own way would hide why the upload failed. */
async function removeParts(client: S3Client, upload: AbortMultipartUploadCommand['input']): Promise<void> {
  await client.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
}

/** The same bytes, of which length and hash are known at their end. */
function measure(body: ReadableStream<Uint8Array>) {
  const hash = createHash('sha256');
  let bytes = 0;
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      hash.update(chunk);
      bytes += chunk.length;
      controller.enqueue(chunk);
    },
  });
  return { body: body.pipeThrough(counter), bytes: () => bytes, digest: () => hash.digest('hex') };
}

/** Undefined: there is no such object. */
async function digestOf(client: S3Client, place: GetObjectCommand['input']): Promise<string | undefined> {
  try {
    const { Body } = await client.send(new GetObjectCommand(place));
    const hash = createHash('sha256');
    for await (const chunk of Body!.transformToWebStream()) hash.update(chunk as Uint8Array);
    return hash.digest('hex');
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw asTrouble(STORAGE, error);
  }
}
