import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readConfig } from '../../../../local/config.ts';
import { createHttpServer } from '../../../../local/http-server.ts';
import type { JobView } from '../../../../shared/api.ts';
import { UPLOAD_URL_SECONDS } from '../../../../shared/limits.ts';
import { createService, pngOf, type Service, send, succeed, upload } from '../../../support/service.ts';

let service: Service;
let server: Server;
let origin: string;
beforeEach(async () => {
  service = await createService();
  server = createHttpServer(service.app.fetch).listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await service.close();
});

function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { 'Content-Type': 'application/json', 'X-Api-Key': service.secret, ...(init.headers as object) };
  return fetch(new URL(path, origin), { redirect: 'manual', ...init, headers });
}

test('a photo from announcement to result over HTTP', async () => {
  const file = await pngOf(12, 8);
  const announced = await request('/v1/uploads', {
    method: 'POST',
    body: JSON.stringify({ bytes: file.length, content_type: 'image/png' }),
  });
  const { id: uploadId, url } = (await announced.json()) as { id: string; url: string };
  expect(url.startsWith(`${origin}/`)).toBe(true);
  await send(service, uploadId, file);

  const submitted = await request('/v1/jobs', {
    method: 'POST',
    headers: { 'Idempotency-Key': '"order 1"' },
    body: JSON.stringify({ input: { upload_id: uploadId } }),
  });
  expect(submitted.status).toBe(202);
  const location = submitted.headers.get('Location')!;
  const first = await request(location);
  const etag = first.headers.get('ETag')!;
  expect((await request(location, { headers: { 'If-None-Match': etag } })).status).toBe(304);

  await succeed(service, ((await submitted.json()) as JobView).id);
  const last = await request(location, { headers: { 'If-None-Match': etag } });
  expect(last.status).toBe(200);
  const job = (await last.json()) as JobView;
  expect(job.terminal).toBe(true);
  const output = await request(job.output!.url);
  expect(output.status).toBe(302);
  expect(output.headers.get('Location')!.startsWith(`${origin}/`)).toBe(true);
  expect((await request(location, { method: 'HEAD' })).headers.get('ETag')).toBe(last.headers.get('ETag'));
});

test('a chunked body without length is limited too, and the connection survives', async () => {
  const body = new Blob(['{"bytes":1,"content_type":"', 'x'.repeat(200_000), '"}']).stream();
  const refused = await request('/v1/uploads', { method: 'POST', body, duplex: 'half' } as RequestInit);
  expect(refused.status).toBe(413);
  expect(refused.headers.get('Content-Type')).toBe('application/problem+json');
  expect((await request('/healthz')).status).toBe(200);
});

test('a client that leaves ends its wait but not its job', async () => {
  const body = JSON.stringify({ input: { upload_id: await upload(service) } });
  const client = new AbortController();
  let reads = 0;
  const getJob = service.state.getJob;
  service.state.getJob = (id) => {
    reads += 1;
    return getJob(id);
  };
  const waiting = request('/v1/jobs', { method: 'POST', body, headers: { Prefer: 'wait=60' }, signal: client.signal });
  const message = await service.queue.receive({ visibilitySeconds: 90, waitSeconds: 20 });
  client.abort();
  await expect(waiting).rejects.toThrow();
  // Looks are half a second apart at the most: none in more than twice that time, and the wait has ended.
  const looks = async () => {
    const before = reads;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    return reads - before;
  };
  await expect.poll(looks, { timeout: 30_000 }).toBe(0);
  expect((await service.state.getJob(message!.jobId))!.status).toBe('queued');
});

/** The answer of the server to these bytes, until it closes the connection. */
async function answerTo(bytes: string): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write(bytes);
  return text(socket);
}

test.each([
  ['a method that is none', 'FOO /v1/jobs HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400],
  ['a Host that is none', 'GET /healthz HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n', 400],
  ['two Hosts', 'GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400],
  ['a tunnel', 'CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ['two lengths', 'POST /v1/uploads HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
  ['headers without end', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}`, 431],
])('a problem document also for %s', async (_name, request, status) => {
  const answer = await answerTo(request);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer).toMatch(/content-type: application\/problem\+json\r\n/i);
  expect(answer).toMatch(/access-control-allow-origin: \*\r\n/i);
  const problem = JSON.parse(/\{.*\}/.exec(answer)![0]);
  expect(problem).toMatchObject({ status, charged: false, request_id: expect.stringMatching(/./) });
});

test('idle connections outlive those of proxies; headers that trickle in do not', async () => {
  expect(server.keepAliveTimeout).toBe(130_000);
  expect(server.headersTimeout).toBe(60_000);
  expect((await request('/healthz')).headers.get('Keep-Alive')).toBe('timeout=130');
  const { keepAliveSeconds } = readConfig({ KEEP_ALIVE_SECONDS: '620' });
  expect(createHttpServer(service.app.fetch, { keepAliveSeconds }).keepAliveTimeout).toBe(620_000);
  expect(() => readConfig({ KEEP_ALIVE_SECONDS: '0' })).toThrow('KEEP_ALIVE_SECONDS=0');
});

test('a slow upload is not cut off while its URL is valid', () => {
  expect(server.requestTimeout).toBe(UPLOAD_URL_SECONDS * 1000);
});

test.each(['200-maybe', 'a-receipt', 'x'.repeat(200)])(
  'an expectation that is not known ends with a problem document and the connection: %s',
  async (expectation) => {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1');
    // The body never comes.
    socket.write(`POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: ${expectation}\r\n\r\n`);
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 417 /);
    expect(answer).toContain('"code":"expectation-failed"');
    expect(answer).toContain(`Expect is ${expectation}`);
  },
);
