import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { createPresignedPost } from '@aws-sdk/s3-presigned-post';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { AppError } from '../../error.ts';
import { checkObjectKey } from '../../object-key.ts';
import type { ObjectStore } from '../../ports.ts';
import { putObject } from './s3-put.ts';

interface Options {
  /**
   * With `requestChecksumCalculation: 'WHEN_REQUIRED'`: otherwise every signed upload demands the checksum of an empty
   * body. Its credentials sign the URLs, which end with them: those of a role may last less than an hour.
   */
  client: S3Client;
  bucket: string;
}

/** S3 refuses to sign for longer (SigV4, `X-Amz-Expires`). */
const MAX_SIGNED_SECONDS = 7 * 24 * 60 * 60;

/**
 * Objects of one bucket; their keys are those of S3. Besides reading, writing and deleting objects, the role needs
 * `s3:ListBucket`, without which S3 answers 403, not 404, for what is not there.
 * A signed form is the one thing that S3 lets repeat until it expires: POST knows no condition on what exists.
 */
export function createS3ObjectStore({ client, bucket }: Options): ObjectStore {
  const at = (key: string) => {
    checkObjectKey(key);
    return { Bucket: bucket, Key: key };
  };

  const store: ObjectStore = {
    async put(key, body, { contentType }) {
      return putObject(client, { ...at(key), ContentType: contentType }, body);
    },

    async get(key, range) {
      const Range = range && `bytes=${range.first}-${range.last}`;
      try {
        const { Body, ContentLength, ContentType } = await client.send(
          new GetObjectCommand({ ...at(key), ...(Range && { Range }) }),
        );
        return { body: Body!.transformToWebStream(), bytes: ContentLength ?? 0, contentType: ContentType ?? '' };
      } catch (error) {
        if (statusOf(error) === 404) return null;
        if (statusOf(error) !== 416) throw error;
        // The range begins behind the last byte, as every range does in an empty object.
        const found = await store.head(key);
        return found && { body: new Blob([]).stream(), bytes: 0, contentType: found.contentType };
      }
    },

    async head(key) {
      try {
        const { ContentLength, ContentType } = await client.send(new HeadObjectCommand(at(key)));
        return { bytes: ContentLength ?? 0, contentType: ContentType ?? '' };
      } catch (error) {
        if (statusOf(error) === 404) return null;
        throw error;
      }
    },

    async delete(key) {
      await client.send(new DeleteObjectCommand(at(key)));
    },

    async signUpload({ key, contentType, bytes, expiresAt }) {
      const once = { ContentType: contentType, ContentLength: bytes, IfNoneMatch: '*' };
      const url = await getSignedUrl(client, new PutObjectCommand({ ...at(key), ...once }), {
        expiresIn: secondsUntil(expiresAt),
        // What is not signed, the sender may choose.
        signableHeaders: new Set(['host', 'content-type', 'content-length', 'if-none-match']),
      });
      return { method: 'PUT', url, headers: { 'Content-Type': contentType, 'If-None-Match': '*' } };
    },

    async signForm({ key, contentType, bytes, expiresAt }) {
      const { Bucket, Key } = at(key);
      const { url, fields } = await createPresignedPost(client, {
        Bucket,
        Key,
        Fields: { 'Content-Type': contentType, success_action_status: '201' },
        Conditions: [['content-length-range', bytes, bytes]],
        Expires: secondsUntil(expiresAt),
      });
      return { method: 'POST', url, fields };
    },

    async signDownload({ key, filename, expiresAt }) {
      const ResponseContentDisposition = `attachment; filename*=UTF-8''${encodeURIComponent(filename)}`;
      const command = new GetObjectCommand({ ...at(key), ResponseContentDisposition });
      return getSignedUrl(client, command, { expiresIn: secondsUntil(expiresAt) });
    },
  };
  return store;
}

/** By the clock of this machine, as S3 counts from the date in the signature. */
function secondsUntil(expiresAt: number): number {
  const seconds = Math.floor((expiresAt - Date.now()) / 1000);
  if (seconds < 1) throw new AppError('invalid', `A signed request must be valid for 1 second; ${seconds} are left.`);
  return Math.min(seconds, MAX_SIGNED_SECONDS);
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}
