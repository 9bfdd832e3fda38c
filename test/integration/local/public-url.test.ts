import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request as ask, createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'seesr-cloud/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../../local/config.ts';
import { type Service, startService } from '../../../local/service.ts';
import { createLog } from '../../../shared/log.ts';

/** The whole service under a path of its origin, behind a proxy that takes the path away, and behind one that does not. */

const DOG = new URL('../../../local/demo-photo/dog.jpg', import.meta.url);

let directory: string;
let service: Service;
let proxy: Server;
let publicUrl: string;
let strips = false;
const passed: string[] = [];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-public-url-'));
  proxy = createServer((incoming, outgoing) => {
    if (!/^\/tools\/photos(\/|$)/.test(incoming.url!)) return outgoing.writeHead(404).end('Not of the service.');
    const path = strips ? incoming.url!.replace('/tools/photos', '') || '/' : incoming.url!;
    passed.push(path);
    const { method, headers } = incoming;
    const onward = ask(new URL(path, service.url), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  publicUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/tools/photos`;
  const config = readConfig({
    DATA_DIR: join(directory, 'data'),
    MODELS_DIR: join(directory, 'models'),
    PORT: '0',
    DEVICE: 'cpu',
    PUBLIC_URL: `${publicUrl}/`,
  });
  service = await startService(
    config,
    createLog('silent', () => {}),
  );
});
afterAll(async () => {
  await service?.close();
  proxy.close();
  proxy.closeAllConnections();
  await rm(directory, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(publicUrl + path, { headers: { Authorization: `Bearer ${service.firstKey}`, ...headers }, redirect: 'manual' });

describe.each([true, false])('the proxy takes the path away: %s', (taken) => {
  beforeAll(() => {
    strips = taken;
    passed.length = 0;
  });

  test('a photo’s whole way by the links of the service', async () => {
    const client = createClient({ baseUrl: publicUrl, key: service.firstKey! });
    const photo = new Uint8Array(await readFile(DOG));
    const { job, result } = await client.restore(photo, { model: 'real-esrgan-fast', fidelity: 1 });
    expect(result.size).toBe(job.output!.bytes);
    expect(passed.some((path) => path.startsWith('/tools/photos'))).toBe(!taken);
    for (const link of [...Object.values(job.links), job.output!.url]) expect(link).toContain(`${publicUrl}/v1/jobs/`);
    for (const what of ['output', 'heatmap', 'photo']) {
      const redirect = await get(`/v1/jobs/${job.id}/${what}`);
      if (redirect.status === 302) expect(redirect.headers.get('Location')).toContain(`${publicUrl}/blobs/`);
      else expect([what, redirect.status]).toEqual(['heatmap', 409]);
    }
    const events = (await (await get(`/v1/jobs/${job.id}/events_link`)).json()) as { url: string };
    expect(events.url).toContain(`${publicUrl}/v1/jobs/`);
    expect(await (await fetch(events.url)).text()).toContain(`${publicUrl}/v1/jobs/`);
  });

  test('a form, a page of the list, the document', async () => {
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${service.firstKey}` };
    const body = JSON.stringify({ bytes: 5, content_type: 'image/png', method: 'POST' });
    const form = (await (await fetch(`${publicUrl}/v1/uploads`, { method: 'POST', headers, body })).json()) as {
      url: string;
      fields: Record<string, string>;
    };
    expect(form.url).toBe(`${publicUrl}/blobs/form`);
    const data = new FormData();
    for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
    data.append('file', new Blob(['photo']));
    expect((await fetch(form.url, { method: 'POST', body: data })).status).toBe(201);

    const { servers } = (await (await get('/openapi.json')).json()) as { servers: unknown };
    expect(servers).toEqual([{ url: publicUrl }]);
    const welcome = await get('/', { Accept: 'application/json' });
    expect(welcome.headers.get('Link')).toBe(`<${publicUrl}/openapi.json>; rel="service-desc"`);
  });

  test.each(['/', '/docs'])('all files that the page at %s loads are there', async (path) => {
    const html = await (await get(path, { Accept: 'text/html' })).text();
    const found = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => new URL(match[1]!, publicUrl + path));
    expect(found.length).toBeGreaterThan(3);
    for (const url of found) {
      const response = await fetch(url);
      expect([url.href, response.status]).toEqual([url.href, 200]);
      const text = await response.text();
      const inner = [...text.matchAll(/\burl\("?([\w./-]+)"?\)/g)].map((match) => new URL(match[1]!, url));
      for (const each of inner) expect([each.href, (await fetch(each)).status]).toEqual([each.href, 200]);
      // Addresses of the service that leave out where it is.
      expect(text).not.toMatch(/fetch\("\/|(?:href|src):"\/|location\.origin/);
    }
  });
});

test('where the path is passed on, its folder is meant', async () => {
  strips = false;
  const response = await get('');
  expect([response.status, response.headers.get('Location')]).toEqual([308, '/tools/photos/']);
  expect((await fetch(new URL('/tools/photosx', service.url))).status).toBe(404);
});

test.each([
  ['https://api.example.com/v1', 'does not begin with /v1'],
  ['https://api.example.com/docs/', 'does not begin with'],
  ['https://api.example.com/?a=b', 'nothing but an origin and a path'],
  ['https://api.example.com/#x', 'nothing but an origin and a path'],
  ['https://user@api.example.com', 'nothing but an origin and a path'],
  ['ftp://api.example.com', 'a URL such as'],
  ['api.example.com', 'a URL such as'],
])('PUBLIC_URL=%s is refused', (url, rule) => {
  expect(() => readConfig({ PUBLIC_URL: url })).toThrow(rule);
});
