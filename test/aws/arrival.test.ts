import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitArrived } from '../../functions/arrive/arrive.ts';
import { createS3Client } from '../../shared/adapters/aws/s3-client.ts';
import { createS3ObjectStore } from '../../shared/adapters/aws/s3-object-store.ts';
import { PART_BYTES } from '../../shared/adapters/aws/s3-put.ts';
import { AWS, type AwsServer, startVersityGateway } from '../support/aws-servers.ts';
import { startReceiver } from '../support/receiver.ts';
import { bodyOf, createService, pngOf, type Service, submit } from '../support/service.ts';

/** A file goes to S3, which tells of it: its notice is handed to the function as Lambda would. */

let receiver: Awaited<ReturnType<typeof startReceiver>>;
let s3: AwsServer;
let service: Service;
beforeAll(async () => {
  receiver = await startReceiver(200);
  s3 = await startVersityGateway({ VGW_EVENT_WEBHOOK_URL: receiver.url });
  const client = createS3Client({ ...AWS, endpoint: s3.endpoint, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'photos' }));
  service = await createService({
    objects: createS3ObjectStore({ client, bucket: 'photos' }),
    now: Date.now,
    limits: { max_upload_bytes: 2 * PART_BYTES, max_input_pixels: 10_000, max_output_pixels: 160_000 },
  });
});
afterAll(async () => {
  await service?.close();
  await s3?.close();
  receiver?.close();
});

/** The notice of S3 for this key. */
async function told(key: string): Promise<unknown> {
  const isOf = ({ body }: { body: string }) => decodeURIComponent(body).includes(key);
  await expect.poll(() => receiver.received.some(isOf)).toBe(true);
  return JSON.parse(receiver.received.find(isOf)!.body);
}

const announce = async (bytes: number, method: 'PUT' | 'POST') =>
  bodyOf<{ id: string; url: string; headers: Record<string, string>; fields: Record<string, string> }>(
    service.call('POST', '/v1/uploads', { json: { bytes, content_type: 'image/png', method } }),
  );
const statusOf = async (id: string) => (await service.state.getJob(id))!.status;

describe('a job that was submitted before its file goes on as soon as S3 tells of it', () => {
  it('by PUT', async () => {
    const file = await pngOf(12, 8);
    const upload = await announce(file.length, 'PUT');
    const [one, two] = [await submit(service, upload.id), await submit(service, upload.id)];
    await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: new Uint8Array(file) });
    expect(await statusOf(one.id)).toBe('awaiting_upload');
    const event = await told((await service.state.getUpload(upload.id))!.key);
    await admitArrived(service, event);
    await admitArrived(service, event); // S3 may tell twice
    for (const { id } of [one, two]) expect(await statusOf(id)).toBe('queued');
    expect((await service.queue.depth()).visible).toBe(2);
  });

  it('by a form', async () => {
    const file = await pngOf(12, 8);
    const upload = await announce(file.length, 'POST');
    const job = await submit(service, upload.id);
    const body = new FormData();
    for (const [name, value] of Object.entries(upload.fields)) body.append(name, value);
    body.append('file', new Blob([new Uint8Array(file)]));
    expect((await fetch(upload.url, { method: 'POST', body })).status).toBe(201);
    // This server tells nothing of forms; S3 does, and with keys encoded.
    const key = encodeURIComponent((await service.state.getUpload(upload.id))!.key);
    await admitArrived(service, { Records: [{ eventName: 'ObjectCreated:Post', s3: { object: { key } } }] });
    expect(await statusOf(job.id)).toBe('queued');
  });

  it('of a file that is no photo, and fails', async () => {
    const upload = await announce(5, 'PUT');
    const job = await submit(service, upload.id);
    await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: 'hello' });
    await admitArrived(service, await told((await service.state.getUpload(upload.id))!.key));
    expect(await statusOf(job.id)).toBe('failed');
  });
});

it('of a file that nobody awaits there is nothing to do', async () => {
  const { objects } = service;
  await objects.put('in/acc_one/upl_unknown', new Blob([new Uint8Array(PART_BYTES + 1)]).stream(), {
    contentType: 'image/png',
  });
  await admitArrived(service, await told('in/acc_one/upl_unknown'));
  await admitArrived(service, { Service: 'Amazon S3', Event: 's3:TestEvent' });
});
