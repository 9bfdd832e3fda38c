import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { createClient } from 'seesr-cloud/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AwsServer, freePort, startServer } from '../support/aws-servers.ts';
import { needProgram } from '../support/need-program.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';

/** The service behind the proxies that people have, as the files in `box` set them up. */

const LARGE_BYTES = 40_000_000;
const DOG = new URL('../../local/demo-photo/dog.jpg', import.meta.url);
const read = (name: string) => readFile(new URL(`../../box/${name}`, import.meta.url), 'utf8');

let directory: string;
beforeAll(async () => {
  await needProgram('nginx', 'nginx-light');
  await needProgram('caddy', 'caddy');
  await needProgram('openssl', 'openssl');
  directory = await mkdtemp(join(tmpdir(), 'seesr-proxies-'));
  const flags = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1'];
  const files = ['-keyout', join(directory, 'privkey.pem'), '-out', join(directory, 'fullchain.pem')];
  await promisify(execFile)('openssl', ['req', ...flags, '-addext', 'subjectAltName=IP:127.0.0.1', ...files]);
  const trusted = await readFile(join(directory, 'fullchain.pem'), 'utf8');
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), trusted]);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

interface Proxy extends Pick<AwsServer, 'close'> {
  url: string;
  /** Its output. */
  logs(): Promise<string>;
}

/** The file with the names of this machine; `change`: settings changed by somebody. */
async function startNginx(service: string, port: number, change = (text: string) => text): Promise<Proxy> {
  const folder = await mkdtemp(join(directory, 'nginx-'));
  const plainPort = await freePort();
  const site = change(await read('nginx.conf'))
    .replaceAll('127.0.0.1:8787', new URL(service).host)
    .replaceAll('/etc/letsencrypt/live/photos.example.com', directory)
    .replaceAll('/var/log/nginx', folder)
    .replaceAll(/ *listen \[::\].*\n/g, '')
    .replaceAll('listen 443', `listen 127.0.0.1:${port}`)
    .replaceAll('listen 80', `listen 127.0.0.1:${plainPort}`);
  await writeFile(join(folder, 'site.conf'), site);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const main = `daemon off; pid ${folder}/pid; error_log ${folder}/error.log warn;
${process.getuid?.() === 0 ? `user ${userInfo().username};` : ''}
events {}
http { access_log off; ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')} include ${folder}/site.conf; }
`;
  await writeFile(join(folder, 'nginx.conf'), main);
  const args = ['-p', folder, '-e', join(folder, 'error.log'), '-c', join(folder, 'nginx.conf')];
  const { close } = await startServer(() => ({ command: 'nginx', args }), plainPort);
  const logs = ['error.log', 'seesr-cloud.log'].map((name) => join(folder, name));
  const readLogs = async () => (await Promise.all(logs.map((path) => readFile(path, 'utf8')))).join('');
  return { url: `https://127.0.0.1:${port}`, close, logs: readLogs };
}

async function startCaddy(service: string, port: number): Promise<Proxy> {
  const folder = await mkdtemp(join(directory, 'caddy-'));
  const url = `http://127.0.0.1:${port}`;
  await mkdir(join(folder, 'home'));
  await writeFile(join(folder, 'Caddyfile'), `{\n\tadmin off\n}\n${await read('Caddyfile')}`);
  const environment = { SITE: url, SERVICE: new URL(service).host, HOME: join(folder, 'home') };
  const args = ['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')];
  const { close } = await startServer(() => ({ command: 'caddy', args, environment }), port);
  return { url, close, logs: async () => '' };
}

describe.each([
  ['nginx', 'https', startNginx],
  ['caddy', 'http', startCaddy],
] as const)('%s', (_name, scheme, start) => {
  let service: ServiceProcess;
  let proxy: Proxy;
  beforeAll(async () => {
    const port = await freePort();
    const data = await mkdtemp(join(directory, 'data-'));
    service = await startServiceProcess(data, { PUBLIC_URL: `${scheme}://127.0.0.1:${port}`, TRUST_PROXY: '1' });
    proxy = await start(service.url, port);
  });
  afterAll(async () => {
    await proxy?.close();
    await service?.kill('SIGTERM');
  });

  const client = () => createClient({ baseUrl: proxy.url, key: service.firstKey! });
  const call = (path: string, init: RequestInit = {}) =>
    fetch(proxy.url + path, { ...init, headers: { Authorization: `Bearer ${service.firstKey}`, ...init.headers } });

  it('a photo goes its whole way, by links that lead here', async () => {
    const photo = new Uint8Array(await readFile(DOG));
    const { job, result } = await client().restore(photo, { model: 'real-esrgan-fast', fidelity: 1 });
    expect(result.size).toBe(job.output!.bytes);
    expect(job.output!.url).toBe(`${proxy.url}/v1/jobs/${job.id}/output`);
    const part = await call(`/v1/jobs/${job.id}/output`, { headers: { Range: 'bytes=10-19' } });
    expect([part.status, (await part.arrayBuffer()).byteLength]).toEqual([206, 10]);
    const { headers } = await call(`/v1/jobs/${job.id}`);
    const again = await call(`/v1/jobs/${job.id}`, { headers: { 'If-None-Match': headers.get('ETag')! } });
    expect(again.status).toBe(304);
    expect((await fetch(proxy.url, { headers: { Accept: 'text/html' } })).status).toBe(200);
  });

  it('a large file goes through, and lies nowhere on its way', async () => {
    const upload_id = await client().upload(new Uint8Array(LARGE_BYTES));
    // All zeros: the service has got it, and looked.
    const submitted = client().submit({ input: { upload_id } });
    await expect(submitted).rejects.toMatchObject({ problem: { code: 'unsupported-media-type' } });
    // Of nginx, which would complain, and whose own log would have the signature of each link.
    expect(await proxy.logs()).not.toMatch(/temporary file|\?/);
  });

  it('events come as they happen', async () => {
    const json = { 'Content-Type': 'application/json' };
    const announced = await call('/v1/uploads', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ bytes: 9, content_type: 'image/png' }),
    });
    const { id: upload_id } = (await announced.json()) as { id: string };
    const { id } = await client().submit({ input: { upload_id } });
    const stream = await call(`/v1/jobs/${id}/events`);
    expect(stream.headers.get('Content-Type')).toContain('text/event-stream');
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const readUntil = async (word: string) => {
      while (!text.includes(word)) {
        const { done, value } = await reader.read();
        if (done) throw new Error(`The stream ended without ${word}: ${text}`);
        text += value;
      }
    };
    // The job waits for its file: nothing more would come to fill a buffer.
    await readUntil('awaiting_upload');
    await client().cancel(id);
    await readUntil('"canceled"');
    await reader.cancel();
  });

  it('a refusal of the service arrives in its words', async () => {
    const large = await call('/v1/jobs', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'large' },
      body: JSON.stringify({ input: { base64: 'A'.repeat(5_000_000) } }),
    });
    expect([large.status, await large.json()]).toEqual([413, expect.objectContaining({ code: 'too-large' })]);
    const long = await call('/v1/models', { headers: { 'X-Long': 'x'.repeat(12_000) } });
    expect(long.status).toBe(200);
    const tooLarge = client().upload(new Uint8Array(70_000_000));
    await expect(tooLarge).rejects.toMatchObject({ message: expect.stringContaining('67108864') });
  });

  it('the service is told the true address of the caller, not the one that the caller claims', async () => {
    const headers = { Authorization: 'Bearer sr_live_guessed', 'X-Forwarded-For': '203.0.113.7' };
    const { get } = scheme === 'https' ? https : http;
    const status = await new Promise((resolve, reject) => {
      const ca = tls.getCACertificates('default');
      const asked = get(`${proxy.url}/v1/jobs`, { headers, localAddress: '127.0.0.2', ca }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.on('error', reject);
    });
    expect(status).toBe(401);
    const refused = () => service.log.filter(({ event }) => event === 'auth.refused').map(({ address }) => address);
    await expect.poll(refused).toEqual(['127.0.0.2']);
  });

  it('the proxy answers for the service while it is away, to pages of others too', async () => {
    await service.kill('SIGTERM');
    const away = await call('/v1/models', { headers: { Origin: 'https://shop.example' } });
    expect(away.status).toBe(503);
    expect(away.headers.get('Access-Control-Allow-Origin')).toBe('*');
    expect(away.headers.get('Retry-After')).toBe('5');
    expect(away.headers.get('Content-Type')).toBe('application/problem+json');
    expect(await away.json()).toMatchObject({ code: 'unavailable', status: 503, retryable: true, charged: false });
  });
});

describe('nginx as it comes', () => {
  it('refuses bodies larger than 1 MB, and the client says who it was', async () => {
    const port = await freePort();
    const service = await startServiceProcess(await mkdtemp(join(directory, 'data-')), {
      PUBLIC_URL: `https://127.0.0.1:${port}`,
    });
    const proxy = await startNginx(service.url, port, (text) => text.replace(/ *client_max_body_size.*\n/, ''));
    const client = createClient({ baseUrl: proxy.url, key: service.firstKey! });
    for (const bytes of [1_100_000, LARGE_BYTES]) {
      await expect(client.upload(new Uint8Array(bytes))).rejects.toMatchObject({
        problem: { code: 'too-large', status: 413, charged: false },
        message: expect.stringMatching(/^The server in front of the service takes no body as large as this\./),
      });
    }
    await proxy.close();
    await service.kill('SIGTERM');
  });
});
