import { toHex } from '../../hex.ts';
import type { S3Bucket } from './s3-bucket.ts';

interface Form {
  key: string;
  fields: Record<string, string>;
  /** The exact length of the file. */
  bytes: number;
  seconds: number;
}

/**
 * A form that browsers may send until it expires: its fields, signed (SigV4, "POST policy"). The file is to be added as
 * the last field, `file`.
 */
export async function signS3Form(
  s3: S3Bucket,
  { key, fields, bytes, seconds }: Form,
): Promise<{ url: string; fields: Record<string, string> }> {
  const { accessKeyId, secretAccessKey, sessionToken } = await s3.credentials();
  const region = await s3.region();
  const now = new Date();
  const time = now.toISOString().replace(/[:-]|\.\d{3}/g, '');
  const scope = [time.slice(0, 8), region, 's3', 'aws4_request'];
  const signed = {
    ...fields,
    bucket: s3.bucket,
    key,
    'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
    'X-Amz-Credential': [accessKeyId, ...scope].join('/'),
    'X-Amz-Date': time,
    ...(sessionToken && { 'X-Amz-Security-Token': sessionToken }),
  };
  const policy = {
    expiration: new Date(now.getTime() + seconds * 1000).toISOString(),
    conditions: [
      ['content-length-range', bytes, bytes],
      ...Object.entries(signed).map(([name, value]) => ({ [name]: value })),
    ],
  };
  const Policy = btoa(JSON.stringify(policy));
  let signingKey: ArrayBuffer | Uint8Array<ArrayBuffer> = encode(`AWS4${secretAccessKey}`);
  for (const part of scope) signingKey = await authenticate(signingKey, part);
  return {
    url: (await s3.addressOf('')).href,
    fields: { ...signed, Policy, 'X-Amz-Signature': toHex(await authenticate(signingKey, Policy)) },
  };
}

async function authenticate(key: ArrayBuffer | Uint8Array<ArrayBuffer>, text: string): Promise<ArrayBuffer> {
  const hmac = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return crypto.subtle.sign('HMAC', hmac, encode(text));
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
