import { describe, expect, test } from 'vitest';
import { modelListSchema, uploadSchema } from '../../../../shared/api.ts';
import { MAX_JSON_BYTES } from '../../../../shared/limits.ts';
import { METHOD_IDS, modelsNamed } from '../../../../shared/methods/registry.ts';
import { PRICE_LISTS } from '../../../../shared/pricing.ts';
import { bodyOf, createService, problemOf, serviceForEach } from '../../../support/service.ts';

const service = serviceForEach();

const EXPOSED = [
  'Location',
  'Retry-After',
  'ETag',
  'Link',
  'Idempotent-Replayed',
  'Preference-Applied',
  'X-Request-Id',
  'Content-Range',
  'Content-Disposition',
];

describe('every answer', () => {
  test.each([
    ['/healthz', 200],
    ['/nothing', 404],
    ['/v1/jobs', 401],
  ])('%s (%i) has CORS headers and a request id', async (path, status) => {
    const response = await service.app.request(path);
    expect(response.status).toBe(status);
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
    expect(response.headers.get('Access-Control-Expose-Headers')!.split(',')).toEqual(expect.arrayContaining(EXPOSED));
    expect(response.headers.get('X-Request-Id')).toMatch(/^[\w-]{16,}$/);
  });

  test('keeps a sane request id and replaces any other', async () => {
    const sane = await service.app.request('/healthz', { headers: { 'X-Request-Id': 'abc-123' } });
    expect(sane.headers.get('X-Request-Id')).toBe('abc-123');
    const odd = await service.app.request('/healthz', { headers: { 'X-Request-Id': 'a b<c>' } });
    expect(odd.headers.get('X-Request-Id')).toMatch(/^[\w-]{16,}$/);
  });

  test('OPTIONS is answered before the key is looked for', async () => {
    const response = await service.app.request('/v1/jobs', {
      method: 'OPTIONS',
      headers: { Origin: 'https://example.com', 'Access-Control-Request-Method': 'POST' },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('Access-Control-Max-Age')).toBe('7200');
    const allowed = response.headers.get('Access-Control-Allow-Headers')!.split(',');
    expect(allowed).toEqual(
      expect.arrayContaining([
        'Authorization',
        'X-Api-Key',
        'Content-Type',
        'Idempotency-Key',
        'Prefer',
        'If-None-Match',
      ]),
    );
    expect(response.headers.get('Access-Control-Allow-Credentials')).toBeNull();
  });

  test.each(['/v1/jobs', '/v1/jobs/job_00000000000000000000000000/output', '/nothing'])(
    'pages may send to %s the headers that tracing libraries and frameworks add',
    async (path) => {
      const sent = [
        'traceparent, tracestate, baggage, sentry-trace',
        'x-datadog-trace-id,x-datadog-parent-id , x-datadog-sampling-priority',
        'b3, x-b3-traceid, x-b3-spanid, x-b3-sampled, uber-trace-id, newrelic, x-amzn-trace-id, x-cloud-trace-context',
        'x-request-id, x-correlation-id, x-requested-with, x-csrf-token, if-range, range',
      ].join(', ');
      const response = await service.app.request(path, {
        method: 'OPTIONS',
        headers: { 'Access-Control-Request-Method': 'GET', 'Access-Control-Request-Headers': `authorization,${sent}` },
      });
      const allowed = response.headers.get('Access-Control-Allow-Headers')!.toLowerCase().split(',');
      expect(allowed).toEqual(expect.arrayContaining(['authorization', 'content-type', ...sent.split(/ ?, ?/)]));
      expect(response.headers.get('Vary')).toContain('Access-Control-Request-Headers');
    },
  );

  test('a text that is no name of a header is not repeated', async () => {
    const headers = { 'Access-Control-Request-Headers': 'x-a, <b>, c d, , x-e' };
    const response = await service.app.request('/v1/jobs', { method: 'OPTIONS', headers });
    const allowed = response.headers.get('Access-Control-Allow-Headers')!.split(',');
    expect(allowed.slice(-2)).toEqual(['x-a', 'x-e']);
    expect(allowed).not.toContain('');
  });

  test('HEAD has the headers of GET and no body', async () => {
    const response = await service.app.request('/v1/models', { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Type')).toContain('application/json');
    expect(await response.text()).toBe('');
  });
});

describe('problems', () => {
  test('404 tells the path and the request', async () => {
    const response = await service.app.request('/v1/nothing', { headers: { 'X-Request-Id': 'r1' } });
    expect(response.status).toBe(404);
    expect(await problemOf(response)).toEqual({
      type: 'urn:seesr-cloud:problem:not-found',
      title: 'There is no such resource',
      status: 404,
      detail: 'There is nothing at /v1/nothing.',
      instance: 'urn:request:r1',
      request_id: 'r1',
      code: 'not-found',
      retryable: false,
      charged: false,
    });
  });

  test.each([
    ['PUT', '/v1/jobs', ['GET', 'HEAD', 'POST']],
    ['POST', '/v1/models', ['GET', 'HEAD']],
    ['PATCH', '/v1/keys/key_00000000000000000000000000', ['DELETE']],
  ])('405 for %s %s names the methods', async (method, path, methods) => {
    const response = await service.call(method, path);
    expect(response.status).toBe(405);
    expect(response.headers.get('Allow')!.split(', ').sort()).toEqual(methods);
    expect((await problemOf(response)).code).toBe('method-not-allowed');
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
  });

  test.each(['/v1/jobs/x', '/v1/jobs/job_', '/v1/jobs/%', '/v1/jobs/job_0000000000000000000000000u', '/v1/jobs/%00'])(
    'an id that no job can have is 404: %s',
    async (path) => {
      const response = await service.call('GET', path);
      expect(response.status).toBe(404);
      expect((await problemOf(response)).code).toBe('not-found');
    },
  );

  test('413 for a JSON body that is too large, with and without Content-Length', async () => {
    const body = JSON.stringify({ bytes: 1, content_type: 'x'.repeat(MAX_JSON_BYTES) });
    const headers = { Authorization: `Bearer ${service.secret}`, 'Content-Type': 'application/json' };
    const known = { ...headers, 'Content-Length': String(body.length) };
    for (const each of [headers, known]) {
      const response = await service.app.request('/v1/uploads', { method: 'POST', headers: each, body });
      expect(response.status).toBe(413);
      expect((await problemOf(response)).detail).toContain(String(MAX_JSON_BYTES));
    }
  });

  test('415 for a body that is not called JSON', async () => {
    const headers = { 'Content-Type': 'text/plain' };
    const response = await service.call('POST', '/v1/uploads', { json: {}, headers });
    expect(response.status).toBe(415);
    expect((await problemOf(response)).detail).toContain('text/plain');
  });

  test('400 for malformed JSON', async () => {
    const response = await service.app.request('/v1/uploads', {
      method: 'POST',
      headers: { Authorization: `Bearer ${service.secret}`, 'Content-Type': 'application/json' },
      body: '{"bytes": 1,',
    });
    expect(response.status).toBe(400);
    expect((await problemOf(response)).code).toBe('malformed');
  });

  test('422 names every field, unknown ones too', async () => {
    const json = { bytes: 0, content_type: 'image/png', 'na/me~': 1, '\ud800': 1 };
    const response = await service.call('POST', '/v1/uploads', { json });
    expect(response.status).toBe(422);
    const { errors, detail } = await problemOf(response);
    expect(errors).toContainEqual(expect.objectContaining({ pointer: '#/bytes', expected: 'at least 1' }));
    expect(errors).toContainEqual({ pointer: '#/na~1me~0', message: 'is not a known field' });
    expect(errors).toHaveLength(3);
    expect(detail).toContain('#/bytes');
  });

  test('__proto__ is an unknown field like any other', async () => {
    const response = await service.app.request('/v1/uploads', {
      method: 'POST',
      headers: { Authorization: `Bearer ${service.secret}`, 'Content-Type': 'application/json' },
      body: '{"bytes": 1, "content_type": "image/png", "__proto__": {"x": 1}}',
    });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors?.[0]?.pointer).toBe('#/__proto__');
  });

  test('500 tells nothing of the cause; the log has it with the request id', async () => {
    const { state } = service;
    const broken = await createService({
      state: { ...state, getUpload: () => Promise.reject(new Error('disk /dev/sda1 is full')) },
    });
    const json = { input: { upload_id: 'upl_x' } };
    const response = await broken.call('POST', '/v1/jobs', { json, headers: { 'X-Request-Id': 'r2' } });
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain('sda1');
    expect(JSON.parse(text)).toMatchObject({ code: 'internal', request_id: 'r2', retryable: true });
    const logged = broken.lines.map((line) => JSON.parse(line)).find((line) => line.event === 'request-failed');
    expect(logged).toMatchObject({ level: 'error', request_id: 'r2', error: { message: 'disk /dev/sda1 is full' } });
    expect(broken.lines.join()).not.toContain(broken.secret);
    await broken.close();
  });
});

describe('service routes', () => {
  test('/healthz and / need no key', async () => {
    expect((await service.app.request('/healthz')).status).toBe(200);
    const welcome = await service.app.request('http://api.test/');
    expect(welcome.headers.get('Link')).toBe('<http://api.test/openapi.json>; rel="service-desc"');
  });

  test('/readyz asks every port, and is 503 when one does not answer', async () => {
    expect((await service.app.request('/readyz')).status).toBe(200);
    const { queue } = service;
    const broken = await createService({
      queue: { ...queue, depth: () => Promise.reject(new Error('connection refused to 10.0.0.7')) },
    });
    const response = await broken.app.request('/readyz');
    expect(response.status).toBe(503);
    expect(response.headers.get('Retry-After')).toBe('5');
    expect(JSON.stringify(await problemOf(response))).not.toContain('10.0.0.7');
    expect(broken.lines.join()).toContain('10.0.0.7');
    await broken.close();
  });

  test('GET /v1/models tells the installed models, the default and the limits, without a key', async () => {
    const few = await createService({
      installedModels: modelsNamed(['real-esrgan-fast']),
      prices: PRICE_LISTS.standard,
    });
    const body = modelListSchema.parse(await bodyOf(few.app.request('/v1/models')));
    expect(body.limits).toEqual(few.limits);
    expect(body.data.map(({ id }) => id)).toEqual(METHOD_IDS);
    expect(body.data[1]).toMatchObject({ installed: false, default: false, parameters: {} });
    expect(body.data[2]).toMatchObject({
      installed: true,
      default: true,
      parameters: { denoise: 0.5 },
      price: { minimum: 1000, per_output_megapixel: 500 },
    });
    await few.close();
  });

  test('absolute URLs start with publicUrl, else with the origin of the request', async () => {
    const json = { bytes: 10, content_type: 'image/png' };
    const call = { method: 'POST', body: JSON.stringify(json) };
    const headers = { 'X-Api-Key': service.secret, 'Content-Type': 'application/json' };
    const asked = service.app.request('http://here.test:81/v1/uploads', { ...call, headers });
    const here = uploadSchema.parse(await bodyOf(asked));
    expect(new URL(here.url).origin).toBe('http://here.test:81');
    const behind = await createService({ publicUrl: 'https://api.example.com/' });
    const there = uploadSchema.parse(await bodyOf(behind.call('POST', '/v1/uploads', { json })));
    expect(new URL(there.url).origin).toBe('https://api.example.com');
    await behind.close();
  });
});
