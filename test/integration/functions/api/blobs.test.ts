import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createBlobRoutes } from '../../../../local/blob-routes.ts';
import { createHttpServer } from '../../../../local/http-server.ts';
import type { FileObjectStore } from '../../../../shared/adapters/local/file-object-store.ts';
import { attachment } from '../../../../shared/content-disposition.ts';
import { heatmapKey, livePreviewKey } from '../../../../shared/job.ts';
import { claim, createService, pngOf, problemOf, type Service, submit } from '../../../support/service.ts';

/** Targets of signed URLs, over HTTP: results as browsers, players and download managers ask for them. */

let service: Service;
let server: Server;
let origin: string;
let url: string;
beforeEach(async () => {
  service = await createService();
  service.app.route('/blobs', createBlobRoutes({ ...service, objects: service.objects as FileObjectStore }));
  server = createHttpServer(service.app.fetch).listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  url = await linkTo('letters', 'abcdefghij');
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await service.close();
});

async function linkTo(key: string, text: string, filename = 'letters.png'): Promise<string> {
  await service.objects.put(key, new Blob([text]).stream(), { contentType: 'image/png' });
  return origin + (await service.objects.signDownload({ key, filename, expiresAt: service.now() + 60_000 }));
}

const get = (headers: Record<string, string> = {}, method = 'GET', of = url) => fetch(of, { method, headers });
const call = (path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
  fetch(new URL(path, origin), { ...init, headers: { Authorization: `Bearer ${service.secret}`, ...headers } });

test('the whole file comes with a strong tag, a name, and leave for pages of others', async () => {
  const response = await get();
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('abcdefghij');
  const { headers } = response;
  expect(headers.get('Content-Length')).toBe('10');
  expect(headers.get('Content-Type')).toBe('image/png');
  expect(headers.get('ETag')).toMatch(/^"[\w-]+"$/);
  expect(headers.get('Accept-Ranges')).toBe('bytes');
  expect(headers.get('Content-Disposition')).toBe('attachment; filename="letters.png"; filename*=UTF-8\'\'letters.png');
  expect(headers.get('Cross-Origin-Resource-Policy')).toBe('cross-origin');
  expect(headers.get('Access-Control-Allow-Origin')).toBe('*');
  expect(headers.get('Access-Control-Expose-Headers')!.split(',')).toEqual(
    expect.arrayContaining(['ETag', 'Accept-Ranges', 'Content-Range', 'Content-Disposition']),
  );
});

describe('Range', () => {
  test.each([
    ['bytes=0-0', 'a', '0-0'],
    ['bytes=2-4', 'cde', '2-4'],
    ['bytes=7-', 'hij', '7-9'],
    ['bytes=7-99', 'hij', '7-9'],
    ['bytes=-3', 'hij', '7-9'],
    ['bytes=-99', 'abcdefghij', '0-9'],
    ['Bytes= 1-2 ', 'bc', '1-2'],
    ['bytes=0-99999999999999999999', 'abcdefghij', '0-9'],
  ])('%s is %s', async (range, text, told) => {
    const response = await get({ Range: range });
    expect(response.status).toBe(206);
    expect(response.headers.get('Content-Range')).toBe(`bytes ${told}/10`);
    expect(response.headers.get('Content-Length')).toBe(String(text.length));
    expect(response.headers.get('Content-Type')).toBe('image/png');
    expect(await response.text()).toBe(text);
  });

  test.each(['bytes=5-2', 'bytes=-', 'bytes=a-b', 'bytes=0-1,4-5', 'letters=0-1', 'bytes 0-1', '0-1', 'bytes=1.5-2'])(
    '%s is passed over',
    async (range) => {
      const response = await get({ Range: range });
      expect([response.status, await response.text()]).toEqual([200, 'abcdefghij']);
      expect(response.headers.has('Content-Range')).toBe(false);
    },
  );

  test.each(['bytes=10-', 'bytes=10-20', 'bytes=99999999999999999999-', 'bytes=-0'])(
    '%s is not there',
    async (range) => {
      const response = await get({ Range: range });
      expect(response.status).toBe(416);
      expect(response.headers.get('Content-Range')).toBe('bytes */10');
      expect(await problemOf(response)).toMatchObject({ code: 'range-not-satisfiable', retryable: false });
    },
  );

  test('goes on with the same file only', async () => {
    const etag = (await get()).headers.get('ETag')!;
    const range = { Range: 'bytes=5-' };
    expect((await get({ ...range, 'If-Range': etag })).status).toBe(206);
    for (const other of ['"other"', `W/${etag}`, 'Thu, 01 Jan 2026 00:00:00 GMT', '*']) {
      const response = await get({ ...range, 'If-Range': other });
      expect([other, response.status, await response.text()]).toEqual([other, 200, 'abcdefghij']);
    }
  });

  test('of a file without bytes is the whole', async () => {
    const empty = await linkTo('empty', '');
    const response = await get({ Range: 'bytes=0-' }, 'GET', empty);
    expect([response.status, response.headers.get('Content-Length'), await response.text()]).toEqual([200, '0', '']);
  });
});

describe('conditions', () => {
  test('a known file is not sent again', async () => {
    const etag = (await get()).headers.get('ETag')!;
    for (const known of [etag, `W/${etag}`, `"a", ${etag}`, '*']) {
      const response = await get({ 'If-None-Match': known, Range: 'bytes=0-1' });
      expect([known, response.status, await response.text()]).toEqual([known, 304, '']);
      expect(response.headers.get('ETag')).toBe(etag);
      expect(response.headers.get('Cross-Origin-Resource-Policy')).toBe('cross-origin');
    }
    expect((await get({ 'If-None-Match': '"other"' })).status).toBe(200);
  });

  test('another file under the same key has another tag', async () => {
    const before = (await get()).headers.get('ETag');
    await service.objects.delete('letters');
    await linkTo('letters', 'ABCDEFGHIJ');
    expect((await get()).headers.get('ETag')).not.toBe(before);
  });

  test('a file that is meant is named by its tag or its time', async () => {
    const { headers } = await get();
    const [etag, time] = [headers.get('ETag')!, headers.get('Last-Modified')!];
    const before = new Date(Date.parse(time) - 1000).toUTCString();
    const status = async (asked: Record<string, string>) => (await get(asked)).status;
    for (const named of [etag, '*', `"other", ${etag}`]) expect(await status({ 'If-Match': named })).toBe(200);
    for (const other of ['"other"', `W/${etag}`]) expect(await status({ 'If-Match': other })).toBe(412);
    expect(await status({ 'If-Unmodified-Since': time })).toBe(200);
    expect(await status({ 'If-Unmodified-Since': before })).toBe(412);
    expect(await status({ 'If-Modified-Since': time })).toBe(304);
    expect(await status({ 'If-Modified-Since': before })).toBe(200);
    // A tag says more than a time.
    expect(await status({ 'If-Match': etag, 'If-Unmodified-Since': before })).toBe(200);
    expect(await status({ 'If-None-Match': '"other"', 'If-Modified-Since': time })).toBe(200);
    for (const name of ['If-Modified-Since', 'If-Unmodified-Since']) expect(await status({ [name]: 'soon' })).toBe(200);
    expect(await problemOf(await get({ 'If-Match': '"other"' }))).toMatchObject({ code: 'precondition-failed' });
  });

  test('HEAD tells the same and sends nothing, for every range', async () => {
    const whole = await get();
    const expiresAt = service.now() + 60_000;
    const download = { key: 'letters', filename: 'letters.png', expiresAt, method: 'HEAD' as const };
    const link = origin + (await service.objects.signDownload(download));
    expect((await get({}, 'GET', link)).status).toBe(403);
    expect((await get({}, 'HEAD')).status).toBe(403);
    for (const range of [undefined, { Range: 'bytes=2-3' }]) {
      const head = await get(range, 'HEAD', link);
      expect([head.status, await head.text()]).toEqual([200, '']);
      for (const name of ['ETag', 'Content-Length', 'Content-Type', 'Accept-Ranges', 'Content-Disposition']) {
        expect(head.headers.get(name)).toBe(whole.headers.get(name));
      }
    }
  });
});

test('the redirects of the API lead there with the range', async () => {
  const job = await submit(service);
  const attempt = await claim(service, job.id);
  const stored = (await service.state.getJob(job.id))!;
  const put = (key: string) =>
    service.objects.put(key, new Blob(['0123456789']).stream(), { contentType: 'image/png' });
  const live_preview = { number: 1, width: 1, height: 1 };
  await put(livePreviewKey(stored, attempt, 1));
  const progress = { percent: 1, stage: 'upscale' } as const;
  await service.state.updateJob(job.id, { type: 'progress', attempt, progress, live_preview });
  const names: Record<string, string> = {};
  const look = async (what: string) => {
    const response = await call(`/v1/jobs/${job.id}/${what}`, { Range: 'bytes=0-3' });
    expect([what, response.status]).toEqual([what, 206]);
    const redirect = await call(`/v1/jobs/${job.id}/${what}`, {}, { method: 'HEAD', redirect: 'manual' });
    expect(redirect.status).toBe(302);
    expect(redirect.headers.get('Cross-Origin-Resource-Policy')).toBe('cross-origin');
    const link = (await (await call(`/v1/jobs/${job.id}/${what}_link`)).json()) as { url: string };
    expect(await (await fetch(link.url)).text()).toBe(await (await call(`/v1/jobs/${job.id}/${what}`)).text());
    names[what] = /filename="(.*)"/.exec(response.headers.get('Content-Disposition')!)![1]!;
  };
  await look('live_preview');
  await put(`out/${stored.account}/${job.id}/1.png`);
  await put(heatmapKey(stored, attempt));
  const output = {
    key: `out/${stored.account}/${job.id}/1.png`,
    width: 8,
    height: 4,
    bytes: 10,
    mime: 'image/png',
    sha256: '',
  };
  const heatmap = { key: heatmapKey(stored, attempt), width: 8, height: 4, bytes: 10 };
  await service.state.updateJob(job.id, { type: 'succeed', attempt, output, heatmap, notes: [] });
  for (const what of ['output', 'heatmap', 'photo']) await look(what);
  expect(names).toEqual({
    live_preview: `${job.id}-live-1.jpg`,
    output: `${job.id}.png`,
    heatmap: `${job.id}-heatmap.png`,
    photo: `${job.id}-photo.png`,
  });
});

test.each([
  ['photo.png', 'attachment; filename="photo.png"; filename*=UTF-8\'\'photo.png'],
  ['é "x"\\\n.png', 'attachment; filename="_ _x___.png"; filename*=UTF-8\'\'%C3%A9%20%22x%22%5C%0A.png'],
])('a file called %j', (name, header) => {
  expect(attachment(name)).toBe(header);
});

describe('types of uploads', () => {
  const TYPES = [
    'image/jpeg;charset=utf-8',
    'image/jpeg; charset=UTF-8',
    'image/jpeg;charset="utf-8"',
    'Image/JPEG',
    'image/svg+xml; charset=us-ascii; version=1.1',
    'image/*',
    'image/jpeg;',
  ];

  test.each(TYPES)('%s is announced and sent', async (content_type) => {
    const file = new Uint8Array(await pngOf(4, 4));
    const announce = { method: 'POST', body: JSON.stringify({ bytes: file.length, content_type }) };
    const announced = await call('/v1/uploads', { 'Content-Type': 'application/json' }, announce);
    expect(announced.status).toBe(201);
    const { url, method, headers } = (await announced.json()) as {
      url: string;
      method: string;
      headers: Record<string, string>;
    };
    expect(headers).toEqual({ 'Content-Type': content_type, 'If-None-Match': '*' });
    expect((await fetch(url, { method, headers, body: file })).status).toBe(200);
  });

  test.each(['image/png; charset=utf-8', 'IMAGE/PNG', 'image/png;q=1', 'image/jpeg', ''])(
    'a file that was announced as image/png may not come as %j',
    async (type) => {
      const file = new Uint8Array(await pngOf(4, 4));
      const announce = { method: 'POST', body: JSON.stringify({ bytes: file.length, content_type: 'image/png' }) };
      const announced = await call('/v1/uploads', { 'Content-Type': 'application/json' }, announce);
      const { url, headers } = (await announced.json()) as { url: string; headers: Record<string, string> };
      const put = (sent: Record<string, string>) => fetch(url, { method: 'PUT', headers: sent, body: file });
      expect((await put({ ...headers, 'Content-Type': type })).status).toBe(403);
      expect((await put(headers)).status).toBe(200);
    },
  );

  test.each([
    'text/html',
    'image',
    'image/',
    'image/png, text/html',
    'image/png; x',
    'image/png\r\nX-A: b',
    'image/png; a="\u0001"',
  ])('%j is refused', async (content_type) => {
    const answer = await service.call('POST', '/v1/uploads', { json: { bytes: 5, content_type } });
    expect(answer.status).toBe(422);
  });
});
