import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { createPresignedPost, type PresignedPostOptions } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { attachment } from '../../content-disposition.ts';
import { AppError } from '../../error.ts';
import { checkObjectKey } from '../../object-key.ts';
import type { ObjectStore } from '../../ports.ts';
import { asTrouble, STORAGE, statusOf, tellTrouble } from './aws-trouble.ts';
import { putObject } from './s3-put.ts';
import { serviceTime } from './service-time.ts';

interface Options {
  /** Of `createS3Client`. */
  client: S3Client;
  bucket: string;
}

/** S3 refuses to sign for longer (SigV4, `X-Amz-Expires`). */
const MAX_SIGNED_SECONDS = 7 * 24 * 60 * 60;

/**
 * Objects of one bucket; their keys are those of S3. Besides reading, writing and deleting objects, the role needs
 * `s3:ListBucket`, without which S3 answers 403, not 404, for missing objects.
 * A signed form is the one thing that S3 lets repeat until it expires: POST knows no condition on existing objects.
 */
export function createS3ObjectStore({ client, bucket }: Options): ObjectStore {
  tellTrouble(client, STORAGE);
  const at = (key: string) => ({ Bucket: bucket, Key: checkObjectKey(key) });

  const store: ObjectStore = {
    async put(key, body, { contentType }) {
      return putObject(client, { bucket, key: checkObjectKey(key), contentType }, body);
    },

    async get(key, range) {
      const Range = range && `bytes=${range.first}-${range.last}`;
      try {
        const found = await client.send(new GetObjectCommand({ ...at(key), Range }));
        return { body: reading(found.Body!.transformToWebStream()), ...described(found) };
      } catch (error) {
        if (statusOf(error) === 404) return null;
        if (statusOf(error) !== 416) throw error;
      }
      // The range begins behind the last byte, as every range does in an empty object.
      const whole = await store.head(key);
      return whole && { body: new Blob([]).stream(), bytes: 0, contentType: whole.contentType };
    },

    async head(key) {
      try {
        return described(await client.send(new HeadObjectCommand(at(key))));
      } catch (error) {
        if (statusOf(error) === 404) return null;
        throw error;
      }
    },

    async delete(key) {
      try {
        await client.send(new DeleteObjectCommand(at(key)));
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
      }
    },

    async signUpload({ key, contentType, bytes, expiresAt }) {
      const request = { ...at(key), ContentType: contentType, ContentLength: bytes, IfNoneMatch: '*' };
      const url = await getSignedUrl(client, new PutObjectCommand(request), {
        expiresIn: secondsUntil(expiresAt),
        signingDate: serviceTime(client),
        // The sender may choose headers that are not signed.
        signableHeaders: new Set(['content-type']),
      });
      return { method: 'PUT', url, headers: { 'Content-Type': contentType, 'If-None-Match': '*' } };
    },

    async signForm({ key, contentType, bytes, expiresAt }) {
      const request: PresignedPostOptions = {
        ...at(key),
        Fields: { 'Content-Type': contentType, success_action_status: '201' },
        Conditions: [['content-length-range', bytes, bytes]],
        Expires: secondsUntil(expiresAt),
      };
      const form = await createPresignedPost(client, request).catch((error: unknown) => {
        throw asTrouble(STORAGE, error); // no request goes through the client
      });
      return { method: 'POST', ...form };
    },

    async signDownload({ key, filename, expiresAt, method = 'GET' }) {
      const Request = method === 'HEAD' ? HeadObjectCommand : GetObjectCommand;
      const request = new Request({ ...at(key), ResponseContentDisposition: attachment(filename) });
      return getSignedUrl(client, request, { expiresIn: secondsUntil(expiresAt), signingDate: serviceTime(client) });
    },
  };
  return store;
}

/** A connection may still break while the body is read. */
async function* orTrouble(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw asTrouble(STORAGE, error);
  }
}

function reading(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  return ReadableStream.from(orTrouble(body));
}

function described({ ContentLength, ContentType }: { ContentLength?: number; ContentType?: string }) {
  return { bytes: ContentLength ?? 0, contentType: ContentType ?? '' };
}

/** By the clock of this machine, as `expiresAt` is; S3 counts from the date in the signature. */
function secondsUntil(expiresAt: number): number {
  const seconds = Math.floor((expiresAt - Date.now()) / 1000);
  if (seconds < 1) throw new AppError('invalid', `A signed request must be valid for 1 second; ${seconds} are left.`);
  return Math.min(seconds, MAX_SIGNED_SECONDS);
}
