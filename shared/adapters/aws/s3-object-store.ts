import { AppError } from '../../error.ts';
import { checkObjectKey } from '../../object-key.ts';
import type { ObjectStore } from '../../ports.ts';
import { openS3Bucket, type S3BucketOptions } from './s3-bucket.ts';
import { signS3Form } from './s3-form.ts';
import { putObject } from './s3-put.ts';

/** S3 refuses to sign for longer (SigV4, `X-Amz-Expires`). */
const MAX_SIGNED_SECONDS = 7 * 24 * 60 * 60;

/**
 * Objects of one bucket; their keys are those of S3. Besides reading, writing and deleting objects, the role needs
 * `s3:ListBucket`, without which S3 answers 403, not 404, for what is not there.
 * A signed form is the one thing that S3 lets repeat until it expires: POST knows no condition on what exists.
 */
export function createS3ObjectStore(options: S3BucketOptions): ObjectStore {
  const s3 = openS3Bucket(options);

  const store: ObjectStore = {
    async put(key, body, { contentType }) {
      return putObject(s3, { key: checkObjectKey(key), contentType }, body);
    },

    async get(key, range) {
      const found = await s3.send('GET', checkObjectKey(key), {
        ...(range && { headers: { range: `bytes=${range.first}-${range.last}` } }),
        alsoExpected: [404, 416],
      });
      if (found.ok) return { body: found.body ?? new Blob([]).stream(), ...described(found) };
      await found.body?.cancel();
      if (found.status === 404) return null;
      // The range begins behind the last byte, as every range does in an empty object.
      const whole = await store.head(key);
      return whole && { body: new Blob([]).stream(), bytes: 0, contentType: whole.contentType };
    },

    async head(key) {
      const found = await s3.send('HEAD', checkObjectKey(key), { alsoExpected: [404] });
      return found.ok ? described(found) : null;
    },

    async delete(key) {
      await s3.send('DELETE', checkObjectKey(key), { alsoExpected: [404] });
    },

    async signUpload({ key, contentType, bytes, expiresAt }) {
      const headers = { 'Content-Type': contentType, 'If-None-Match': '*' };
      const url = await s3.sign('PUT', checkObjectKey(key), {
        headers: { ...headers, 'Content-Length': String(bytes) },
        seconds: secondsUntil(expiresAt),
      });
      return { method: 'PUT', url, headers };
    },

    async signForm({ key, contentType, bytes, expiresAt }) {
      const fields = { 'Content-Type': contentType, success_action_status: '201' };
      const seconds = secondsUntil(expiresAt);
      return { method: 'POST', ...(await signS3Form(s3, { key: checkObjectKey(key), fields, bytes, seconds })) };
    },

    async signDownload({ key, filename, expiresAt }) {
      const disposition = `attachment; filename*=UTF-8''${encodeURIComponent(filename)}`;
      const query = { 'response-content-disposition': disposition };
      return s3.sign('GET', checkObjectKey(key), { query, seconds: secondsUntil(expiresAt) });
    },
  };
  return store;
}

function described({ headers }: Response): { bytes: number; contentType: string } {
  return { bytes: Number(headers.get('content-length')), contentType: headers.get('content-type') ?? '' };
}

/** By the clock of this machine, as S3 counts from the date in the signature. */
function secondsUntil(expiresAt: number): number {
  const seconds = Math.floor((expiresAt - Date.now()) / 1000);
  if (seconds < 1) throw new AppError('invalid', `A signed request must be valid for 1 second; ${seconds} are left.`);
  return Math.min(seconds, MAX_SIGNED_SECONDS);
}
