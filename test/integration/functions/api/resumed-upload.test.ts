import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createBlobRoutes } from '../../../../local/blob-routes.ts';
import { createHttpServer } from '../../../../local/http-server.ts';
import type { FileObjectStore } from '../../../../shared/adapters/local/file-object-store.ts';
import { bodyOf, createService, pngOf, problemOf, type Service } from '../../../support/service.ts';

/** Uploads whose connection breaks, over HTTP: nothing that has come is sent again. */

let service: Service;
let server: Server;
let file: Uint8Array<ArrayBuffer>;
let upload: { id: string; url: string; headers: Record<string, string>; resume_url: string };
beforeEach(async () => {
  service = await createService();
  service.app.route('/blobs', createBlobRoutes({ ...service, objects: service.objects as FileObjectStore }));
  server = createHttpServer(service.app.fetch).listen(0, '127.0.0.1');
  await once(server, 'listening');
  file = new Uint8Array(await pngOf(90, 90));
  const announced = { bytes: file.length, content_type: 'image/png' };
  upload = await bodyOf(service.call('POST', '/v1/uploads', { json: announced }));
  const { port } = server.address() as AddressInfo;
  const here = (url: string) => url.replace(/^http:\/\/[^/]+/, `http://127.0.0.1:${port}`);
  upload = { ...upload, url: here(upload.url), resume_url: here(upload.resume_url) };
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await service.close();
});

/** Bytes of unfinished files. */
async function onDisk(): Promise<number> {
  const folder = join(dirname(service.database.location()!), 'objects', '.unfinished');
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(folder, name)).catch(() => undefined))?.size),
  );
  return sizes.reduce<number>((sum, size = 0) => sum + size, 0);
}

/** Sends the bytes and then nothing more, though all were announced; resolves when there are so many on the disk. */
async function begin(bytes: Uint8Array, offset = 0) {
  const length = { 'Content-Length': String(file.length - offset) };
  const sending =
    offset > 0
      ? request(upload.resume_url, { method: 'PATCH', headers: { ...length, 'Upload-Offset': String(offset) } })
      : request(upload.url, { method: 'PUT', headers: { ...length, ...upload.headers } });
  sending.on('error', () => {});
  sending.write(bytes);
  await expect.poll(onDisk).toBe(offset + bytes.length);
  return { destroy: () => void sending.destroy() };
}

const offset = async () => {
  const response = await fetch(upload.resume_url, { method: 'HEAD' });
  expect([response.status, response.headers.get('Cache-Control')]).toEqual([204, 'no-store']);
  return [Number(response.headers.get('Upload-Offset')), response.headers.get('Upload-Complete')];
};
const offsetIs = async (expected: number) => expect(await offset()).toEqual([expected, '?0']);
const goOn = (from: number, body = file.subarray(from)) =>
  fetch(upload.resume_url, { method: 'PATCH', headers: { 'Upload-Offset': String(from) }, body: new Uint8Array(body) });
const stored = async () => {
  const { objects, state } = service;
  const object = await objects.get((await state.getUpload(upload.id))!.key);
  return object && new Uint8Array(await new Response(object.body).arrayBuffer());
};

test('an upload says that it can go on, and how much of it has come', async () => {
  expect(await offset()).toEqual([0, '?0']);
  expect((await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: file })).status).toBe(200);
  expect(await offset()).toEqual([file.length, '?1']);
  expect(await stored()).toEqual(file);
});

test('after a break it goes on where it was, twice if need be', async () => {
  (await begin(file.subarray(0, 50))).destroy();
  await offsetIs(50);
  (await begin(file.subarray(50, 80), 50)).destroy();
  await offsetIs(80);
  expect(await stored()).toBeNull();
  const response = await goOn(80);
  expect([response.status, response.headers.get('Upload-Complete')]).toEqual([200, '?1']);
  expect(await stored()).toEqual(file);
  expect(await problemOf(await goOn(80))).toMatchObject({ status: 412, code: 'already-exists' });
});

test('a connection that died without a word is no hindrance', async () => {
  const dead = await begin(file.subarray(0, 60));
  await offsetIs(60);
  expect((await goOn(60)).status).toBe(200);
  expect(await stored()).toEqual(file);
  dead.destroy();
});

test('the rest must begin where the file ends, and be all of it', async () => {
  (await begin(file.subarray(0, 40))).destroy();
  await offsetIs(40);
  for (const wrong of [39, 41]) {
    const response = await goOn(wrong);
    expect(response.headers.get('Upload-Offset')).toBe('40');
    expect(await problemOf(response)).toMatchObject({ status: 409, code: 'conflict' });
  }
  for (const wrong of [file.length, -1, 1.5, Number.NaN]) {
    expect(await problemOf(await goOn(wrong, file))).toMatchObject({ status: 400, code: 'malformed' });
  }
  expect((await goOn(40, file)).status).toBe(400); // more than is left
  await offsetIs(40);
  expect((await goOn(40, file.subarray(40, -1))).status).toBe(400);
  await offsetIs(file.length - 1);
  expect((await goOn(file.length - 1)).status).toBe(200);
  expect(await stored()).toEqual(file);
});

test('the whole file may be sent anew, and takes the place of a part', async () => {
  (await begin(file.subarray(0, 40))).destroy();
  await offsetIs(40);
  expect((await fetch(upload.url, { method: 'PUT', headers: upload.headers, body: file })).status).toBe(200);
  expect(await stored()).toEqual(file);
});

test('an upload that was refused at its end is no part to go on with', async () => {
  const headers = { ...upload.headers, 'Content-MD5': Buffer.alloc(16).toString('base64') };
  expect((await fetch(upload.url, { method: 'PUT', headers, body: file })).status).toBe(400);
  await offsetIs(0);
  expect(await onDisk()).toBe(0);
});

test('pages of any origin may go on, and see how far it is', async () => {
  const preflight = (url: string, method: string) =>
    fetch(url, {
      method: 'OPTIONS',
      headers: { Origin: 'https://shop.example', 'Access-Control-Request-Method': method },
    });
  for (const method of ['HEAD', 'PATCH']) {
    const response = await preflight(upload.resume_url, method);
    expect([response.status, response.headers.get('Access-Control-Allow-Methods')]).toEqual([200, 'HEAD,PATCH']);
  }
  expect((await preflight(upload.resume_url, 'PUT')).status).toBe(403);
  expect((await preflight(upload.url, 'PATCH')).status).toBe(400);
  const { headers } = await fetch(upload.resume_url, { method: 'HEAD' });
  expect(headers.get('Access-Control-Expose-Headers')).toContain('Upload-Offset');
});

test('the URLs that S3 has too take no PATCH, and the one to go on at takes nothing else', async () => {
  const refused = await fetch(upload.url, { method: 'PATCH', headers: { 'Upload-Offset': '1' } });
  expect([refused.status, refused.headers.get('Allow')]).toEqual([405, 'GET, HEAD, PUT, POST, DELETE']);
  expect((await fetch(upload.url, { method: 'HEAD' })).status).toBe(403);
  for (const method of ['GET', 'PUT']) {
    const body = method === 'PUT' ? file : null;
    expect((await fetch(upload.resume_url, { method, headers: upload.headers, body })).status).toBe(403);
  }
});

test('only a holder of the URL may ask and go on, as long as it is valid; then the part is gone', async () => {
  (await begin(file.subarray(0, 40))).destroy();
  await offsetIs(40);
  const altered = upload.resume_url.replace(/bytes=\d+/, 'bytes=99999999');
  for (const method of ['HEAD', 'PATCH']) {
    expect((await fetch(altered, { method, headers: { 'Upload-Offset': '40' } })).status).toBe(403);
  }
  const download = await service.objects.signDownload({ key: 'in/x', filename: 'x', expiresAt: service.now() + 1000 });
  const url = new URL(download, upload.url);
  expect((await fetch(url, { method: 'PATCH', headers: { 'Upload-Offset': '1' } })).status).toBe(405);
  service.clock.advance(3600);
  for (const method of ['HEAD', 'PATCH']) {
    expect((await fetch(upload.resume_url, { method, headers: { 'Upload-Offset': '40' } })).status).toBe(403);
  }
  const { key, content_type: contentType, bytes } = (await service.state.getUpload(upload.id))!;
  expect(await (service.objects as FileObjectStore).received({ key, contentType, bytes })).toBe(0);
});
