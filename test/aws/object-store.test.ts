import { createHash } from 'node:crypto';
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createS3Client } from '../../shared/adapters/aws/s3-client.ts';
import { createS3ObjectStore } from '../../shared/adapters/aws/s3-object-store.ts';
import { PART_BYTES } from '../../shared/adapters/aws/s3-put.ts';
import { objectStoreContract } from '../contract/object-store.contract.ts';
import { AWS, type AwsServer, startMiniStack, startVersityGateway } from '../support/aws-servers.ts';
import { outcomeOf } from '../support/outcome.ts';

const PNG = { contentType: 'image/png' };

/**
 * No server here checks: roles and their session tokens, whose end ends the URLs; 403 instead of 404 without
 * `s3:ListBucket`; throttling; the 409 of writers that meet; lifecycle rules. Both check the signatures of URLs and forms,
 * MiniStack not those in headers.
 */
describe.each([
  { name: 'versitygw', start: startVersityGateway, checksHeaders: true },
  { name: 'MiniStack', start: startMiniStack, checksHeaders: false },
])('S3 on $name', ({ name, start, checksHeaders }) => {
  let server: AwsServer;
  let client: S3Client;
  let buckets = 0;
  beforeAll(async () => {
    server = await start();
    client = new S3Client({ ...AWS, endpoint: server.endpoint, forcePathStyle: true });
  });
  afterAll(async () => {
    client.destroy();
    await server.close();
  });

  function connect(bucket: string, secretAccessKey = AWS.credentials.secretAccessKey) {
    const client = createS3Client({
      ...AWS,
      credentials: { ...AWS.credentials, secretAccessKey },
      endpoint: server.endpoint,
      forcePathStyle: true,
    });
    return createS3ObjectStore({ client, bucket });
  }

  async function open() {
    const bucket = `bucket-${++buckets}`;
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    return { bucket, store: connect(bucket) };
  }

  it('runs on a server that checks signatures', async () => {
    const { bucket, store } = await open();
    const stranger = connect(bucket, 'another secret');
    if (checksHeaders) {
      await expect(stranger.put('k', bodyOf(5), PNG)).rejects.toMatchObject({
        code: 'unavailable',
        cause: { name: 'SignatureDoesNotMatch' },
      });
    }
    const download = { key: 'k', filename: 'x', expiresAt: Date.now() + 60_000 };
    await store.put('k', bodyOf(5), PNG);
    expect((await fetch(await stranger.signDownload(download))).status).toBe(403);
    expect((await fetch(await store.signDownload(download))).status).toBe(200);
  });

  it('puts a file longer than a part in parts, whole or not at all, once', async () => {
    const { bucket, store } = await open();
    const bytes = 2 * PART_BYTES + 12_345;
    expect(await store.put('long', bodyOf(bytes), PNG)).toEqual({ bytes });
    const object = await store.get('long');
    expect(object).toMatchObject({ bytes, ...PNG });
    expect(await sha256(object!.body)).toBe(await sha256(bodyOf(bytes)));
    expect(await outcomeOf(store.put('long', bodyOf(bytes + 1), PNG))).toBe('already-exists');
    await expect(store.put('broken', bodyOf(bytes, 2 * PART_BYTES), PNG)).rejects.toThrow('the sender went away');
    expect(await store.head('broken')).toBeNull();
    expect((await store.head('long'))?.bytes).toBe(bytes);
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    expect(Uploads).toEqual([]);
  });

  it.each([PART_BYTES - 1, PART_BYTES, PART_BYTES + 1])('puts %i bytes', async (bytes) => {
    const { store } = await open();
    expect(await store.put('near', bodyOf(bytes), PNG)).toEqual({ bytes });
    expect(await store.head('near')).toEqual({ bytes, ...PNG });
  });

  it('signs type, length and condition of an upload, and the checksum of none', async () => {
    const { store } = await open();
    const { url } = await store.signUpload({ key: 'k', ...PNG, bytes: 5, expiresAt: Date.now() + 60_000 });
    const { searchParams } = new URL(url);
    expect(searchParams.get('X-Amz-SignedHeaders')).toBe('content-length;content-type;host;if-none-match');
    expect([...searchParams.keys()].filter((name) => /checksum/i.test(name))).toEqual([]);
    const seconds = Number(searchParams.get('X-Amz-Expires'));
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
  });

  objectStoreContract(name, async () => {
    const { store } = await open();
    return {
      store,
      origin: server.endpoint,
      now: Date.now,
      advance: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
      formsRepeat: true,
      close: async () => {},
    };
  });
});

/** The same bytes for the same length, in chunks of odd size; with `breakAt`, an error after about so many. */
function bodyOf(bytes: number, breakAt = Number.POSITIVE_INFINITY): ReadableStream<Uint8Array> {
  const chunk = new Uint8Array(1_000_003).map((_, i) => (i * 31) % 251);
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent >= breakAt) return controller.error(new Error('the sender went away'));
      if (sent === bytes) return controller.close();
      const next = chunk.subarray(0, Math.min(chunk.length, bytes - sent));
      sent += next.length;
      controller.enqueue(next);
    },
  });
}

async function sha256(body: ReadableStream<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of body) hash.update(chunk);
  return hash.digest('hex');
}
