import { afterEach, beforeEach, expect, test } from 'vitest';
import { createBlobRoutes } from '../../../local/blob-routes.ts';
import type { FileObjectStore } from '../../../shared/adapters/local/file-object-store.ts';
import { bodyOf, createService, pngOf, problemOf, type Service, upload } from '../../support/service.ts';

/** As many as one process has under way (local/blob-routes.ts). */
const MOST = 400;

let service: Service;
const open: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  service = await createService();
  service.app.route('/blobs', createBlobRoutes({ ...service, objects: service.objects as FileObjectStore }));
});
afterEach(async () => {
  for (const close of open.splice(0)) await close();
  await service.close();
});

const photoOf = async (key: string) => {
  const json = { input: { upload_id: await upload(service, undefined, key) } };
  const { id } = await bodyOf<{ id: string }>(service.call('POST', '/v1/jobs', { json, key }));
  return (await bodyOf<{ url: string }>(service.call('GET', `/v1/jobs/${id}/photo?redirect=false`, { key }))).url;
};

test('downloads that are held open take no more than the share of their account', async () => {
  const url = await photoOf(service.secret);
  const hold = async (from: string) => {
    const response = await service.app.request(from);
    if (response.status === 200) open.push(() => response.body!.cancel());
    return response;
  };
  for (let i = 0; i < MOST / 2; i++) expect((await hold(url)).status).toBe(200);
  const refused = await hold(url);
  expect(refused.headers.get('Retry-After')).toBe('5');
  expect(await problemOf(refused)).toMatchObject({ status: 429, 'violated-policies': ['transfers'] });
  // HEAD has nothing to hold; another account has its own share; a file that is read or given up makes room.
  const job = (await service.state.listJobs({ account: 'acc_one', limit: 1 })).jobs[0]!;
  const link = (await service.call('HEAD', `/v1/jobs/${job.id}/photo`)).headers.get('Location')!;
  expect((await service.app.request(link, { method: 'HEAD' })).status).toBe(200);
  const other = (await service.newKey('acc_two')).secret;
  expect((await hold(await photoOf(other))).status).toBe(200);
  await open.shift()!();
  const again = await service.app.request(url);
  expect(again.status).toBe(200);
  expect((await again.arrayBuffer()).byteLength).toBeGreaterThan(0);
  expect((await hold(url)).status).toBe(200);
});

test('one file is sent by few at the same time', async () => {
  const file = await pngOf(20, 10);
  const json = { bytes: file.length, content_type: 'image/png' };
  const announced = service.call('POST', '/v1/uploads', { json });
  const { url, headers } = await bodyOf<{ url: string; headers: Record<string, string> }>(announced);
  const all = { ...headers, 'Content-Length': String(file.length) };
  const senders: ReadableStreamDefaultController[] = [];
  const put = (body: ReadableStream<Uint8Array> | Uint8Array) =>
    service.app.request(
      new Request(url, { method: 'PUT', headers: all, body: body as never, duplex: 'half' } as RequestInit),
    );
  const slow = Array.from({ length: 4 }, () =>
    put(new ReadableStream({ start: (controller) => void senders.push(controller) })),
  );
  await expect.poll(async () => (await put(file)).status).toBe(429);
  for (const sender of senders.splice(1)) sender.error(new Error('The phone has gone.'));
  await Promise.all(slow.slice(1));
  expect((await put(file)).status).toBe(200);
  senders[0]!.error(new Error('The phone has gone.'));
  await Promise.all(slow);
});
