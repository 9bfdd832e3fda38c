import { describe, expect, test } from 'vitest';
import { type JobView, newKeySchema } from '../../../../shared/api.ts';
import { LAST_USED_SECONDS } from '../../../../shared/limits.ts';
import { PRICE_LISTS } from '../../../../shared/pricing.ts';
import { rateLimitsSchema } from '../../../../shared/rate-limits.ts';
import {
  announce,
  bodyOf,
  createService,
  pngOf,
  problemOf,
  send,
  serviceForEach,
  upload,
} from '../../../support/service.ts';

const service = serviceForEach();

async function createKey(json: object, key = service.secret) {
  const response = await service.call('POST', '/v1/keys', { json: { name: 'key', ...json }, key });
  if (response.status !== 201) throw new Error(await response.text());
  return newKeySchema.parse(await response.json());
}

const rotate = (id: string, json: object, key = service.secret) =>
  service.call('POST', `/v1/keys/${id}/rotate`, { json, key });
const list = (key: string, headers: Record<string, string> = {}) => service.call('GET', '/v1/jobs', { key, headers });
const post = async (key: string) =>
  service.call('POST', '/v1/jobs', { json: { input: { upload_id: await upload(service, undefined, key) } }, key });

describe('rotation', () => {
  test('both secrets are valid for the overlap, then only the new one', async () => {
    const old = await createKey({ scopes: ['jobs:read'] });
    const response = await rotate(old.id, { overlap_seconds: 60 });
    expect(response.status).toBe(200);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    const rotated = newKeySchema.parse(await response.json());
    expect(rotated).toMatchObject({ id: old.id, scopes: ['jobs:read'], last4: rotated.key.slice(-4) });
    expect(rotated.key).not.toBe(old.key);
    expect([(await list(old.key)).status, (await list(rotated.key)).status]).toEqual([200, 200]);
    service.clock.advance(60);
    const refused = await list(old.key);
    expect(refused.status).toBe(401);
    expect((await problemOf(refused)).detail).toContain('replaced by a rotation');
    expect((await list(rotated.key)).status).toBe(200);
  });

  test('the old secret stays for an hour where nothing is said', async () => {
    const old = await createKey({ scopes: ['jobs:read'] });
    for (const json of [{}, undefined]) {
      const rotated = await bodyOf<{ key: string }>(service.call('POST', `/v1/keys/${old.id}/rotate`, { json }));
      expect([(await list(old.key)).status, (await list(rotated.key)).status]).toEqual([200, 200]);
    }
    service.clock.advance(3600);
    expect((await list(old.key)).status).toBe(401);
  });

  test('a repeat with its Idempotency-Key gets the same secret, while that is valid', async () => {
    const key = await createKey({ scopes: ['keys:manage', 'jobs:read'] });
    const rotateOnce = (secret: string, json: object = {}) =>
      service.call('POST', `/v1/keys/${key.id}/rotate`, { json, key: secret, headers: { 'Idempotency-Key': 'r' } });
    const first = await Promise.all(Array.from({ length: 5 }, () => rotateOnce(key.key)));
    expect(first.map(({ status }) => status)).toEqual(Array(5).fill(200));
    expect(first.filter(({ headers }) => headers.get('Idempotent-Replayed') === 'true')).toHaveLength(4);
    const bodies = new Set(await Promise.all(first.map((response) => response.text())));
    expect(bodies.size).toBe(1);
    const rotated = newKeySchema.parse(JSON.parse([...bodies][0]!));
    expect(rotated).toMatchObject({ id: key.id, rotated_at: new Date(service.clock.now()).toISOString() });
    const [known] = (await service.state.listKeys('acc_one')).filter(({ id }) => id === key.id);
    expect(known).toMatchObject({ last4: rotated.last4, rotated_at: rotated.rotated_at });
    expect((await list(rotated.key)).status).toBe(200);
    expect((await rotateOnce(key.key, { overlap_seconds: 5 })).status).toBe(422);
    // Another secret of the key cannot open the answer to the first.
    expect((await problemOf(await rotateOnce(rotated.key))).detail).toContain('earlier secret');
    await rotate(key.id, { overlap_seconds: 0 }, rotated.key);
    expect((await list(key.key)).status).toBe(401);
  });

  test('a repeat says that it is over when the secret was replaced, revoked or has expired', async () => {
    const headers = { 'Idempotency-Key': 'r' };
    const over = async (work: (id: string) => Promise<unknown>) => {
      const { id } = await createKey({ scopes: ['jobs:read'], expires_at: '2026-01-01T12:00:00Z' });
      const once = () => service.call('POST', `/v1/keys/${id}/rotate`, { json: {}, headers });
      expect((await once()).status).toBe(200);
      await work(id);
      return (await problemOf(await once())).code;
    };
    expect(await over((id) => rotate(id, { overlap_seconds: 0 }))).toBe('gone');
    expect(await over((id) => service.call('DELETE', `/v1/keys/${id}`) as Promise<unknown>)).toBe('gone');
    expect(await over(async () => service.clock.advance(12 * 3600))).toBe('gone');
  });

  test('without overlap the old secret ends at once, for a key that rotates itself too', async () => {
    const self = await createKey({ scopes: ['keys:manage', 'jobs:read'] });
    const rotated = await bodyOf<{ key: string }>(rotate(self.id, { overlap_seconds: 0 }, self.key));
    expect((await list(self.key)).status).toBe(401);
    expect((await list(rotated.key)).status).toBe(200);
    expect((await service.call('DELETE', `/v1/keys/${self.id}`)).status).toBe(204);
    expect((await list(rotated.key)).status).toBe(401);
    expect((await rotate(self.id, {})).status).toBe(409);
  });

  test('nobody gets more by it than they have', async () => {
    const strong = await createKey({ scopes: ['jobs:read', 'jobs:write'] });
    const manager = await createKey({ scopes: ['keys:manage', 'jobs:read'] });
    const refused = await rotate(strong.id, {}, manager.key);
    expect(refused.status).toBe(403);
    expect((await problemOf(refused)).detail).toContain('jobs:write');
    const brief = await createKey({ scopes: ['keys:manage', 'jobs:read'], expires_at: '2026-01-02T00:00:00Z' });
    expect((await rotate(manager.id, {}, brief.key)).status).toBe(403);
    const { secret } = await service.newKey('acc_two');
    expect((await rotate(strong.id, {}, secret)).status).toBe(404);
    expect((await list(strong.key)).status).toBe(200);
  });

  test.each([{ overlap_seconds: -1 }, { overlap_seconds: 604_801 }, { overlap: 1 }])('422 for %j', async (json) => {
    const { id } = await createKey({});
    expect((await rotate(id, json)).status).toBe(422);
  });
});

describe('caps', () => {
  test('spend_cap: 402 where a job would exceed it; released amounts count no more', async () => {
    const paid = await createService({ prices: PRICE_LISTS.standard });
    await paid.state.topUp({ account: 'acc_one', amount: 1_000_000, payment: 'pay' });
    const submit = async (key: string) =>
      paid.call('POST', '/v1/jobs', { json: { input: { upload_id: await upload(paid, undefined, key) } }, key });
    const { charge } = await bodyOf<JobView>(submit(paid.secret));
    expect(charge.amount).toBeGreaterThan(0);
    const json = { name: 'key', spend_cap: 2 * charge.amount - 1 };
    const { key } = await bodyOf<{ key: string }>(paid.call('POST', '/v1/keys', { json }));
    const job = await bodyOf<JobView>(submit(key));
    const refused = await submit(key);
    expect(refused.status).toBe(402);
    const problem = await problemOf(refused);
    expect(problem).toMatchObject({ code: 'spend-cap-reached', charged: false });
    expect(problem.detail).toContain(`spend_cap ${json.spend_cap}`);
    const listed = await bodyOf<{ data: { id: string; spent: number }[] }>(paid.call('GET', '/v1/keys'));
    expect(listed.data.map(({ spent }) => spent)).toEqual([charge.amount, charge.amount]);
    await paid.call('POST', `/v1/jobs/${job.id}/cancel`, { key });
    expect((await submit(key)).status).toBe(202);
    const test = await bodyOf<{ key: string }>(paid.call('POST', '/v1/keys', { json: { ...json, test: true } }));
    for (let i = 0; i < 3; i++) expect((await bodyOf<JobView>(submit(test.key))).charge.amount).toBe(0);
    await paid.close();
  });

  test('inflight_cap: 429 with its policy and a time; a finished job makes room', async () => {
    const { key } = await createKey({ inflight_cap: 1 });
    const job = await bodyOf<JobView>(post(key));
    const refused = await post(key);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('Retry-After')).toMatch(/^[1-9]\d*$/);
    expect(await problemOf(refused)).toMatchObject({ code: 'quota-exceeded', 'violated-policies': ['inflight'] });
    await service.call('POST', `/v1/jobs/${job.id}/cancel`, { key });
    expect((await post(key)).status).toBe(202);
  });

  test('the keys of an account have the unfinished jobs of the installation together, with any own cap', async () => {
    const limited = await createService({ rateLimits: rateLimitsSchema.parse({ inflight: { quota: 3 } }) });
    const { secret } = await limited.newKey();
    const own = await bodyOf<{ key: string }>(
      limited.call('POST', '/v1/keys', { json: { name: 'key', inflight_cap: 1000 } }),
    );
    const small = await bodyOf<{ key: string }>(
      limited.call('POST', '/v1/keys', { json: { name: 'key', inflight_cap: 1 } }),
    );
    const other = await limited.newKey('acc_two');
    const statuses = async (key: string) => {
      const upload_id = await upload(limited, undefined, key);
      const answers = [];
      for (let i = 0; i < 2; i++) {
        answers.push((await limited.call('POST', '/v1/jobs', { json: { input: { upload_id } }, key })).status);
      }
      return answers;
    };
    expect(await statuses(small.key)).toEqual([202, 429]);
    expect(await statuses(secret)).toEqual([202, 202]);
    expect(await statuses(own.key)).toEqual([429, 429]);
    expect(await statuses(other.secret)).toEqual([202, 202]);
    await limited.close();
  });

  test('do not go with keys:manage, which could lift them', async () => {
    const json = { name: 'key', spend_cap: 5, scopes: ['jobs:read', 'keys:manage'] };
    const response = await service.call('POST', '/v1/keys', { json });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors).toMatchObject([{ pointer: '#/scopes' }]);
    expect((await createKey({ spend_cap: 5 })).scopes).not.toContain('keys:manage');
  });

  test.each([
    [{ spend_cap: -1 }, '#/spend_cap'],
    [{ inflight_cap: 0 }, '#/inflight_cap'],
    [{ allowed_origins: [] }, '#/allowed_origins'],
    [{ allowed_origins: ['https://a.example/path'] }, '#/allowed_origins/0'],
    [{ allowed_origins: ['*'] }, '#/allowed_origins/0'],
  ])('422 for %j', async (caps, pointer) => {
    const response = await service.call('POST', '/v1/keys', { json: { name: 'key', ...caps } });
    expect((await problemOf(response)).errors?.[0]?.pointer).toBe(pointer);
  });
});

describe('allowed origins', () => {
  test.each([
    ['capacitor://localhost', 'capacitor://localhost'],
    ['ionic://localhost', 'ionic://localhost'],
    ['https://localhost', 'https://localhost'],
    ['tauri://localhost', 'tauri://localhost'],
    ['app://.', 'app://.'],
    ['chrome-extension://abcdefghijklmnopabcdefghijklmnop', 'chrome-extension://abcdefghijklmnopabcdefghijklmnop'],
    ['moz-extension://2B9D5E4C-0000-4000-8000-000000000000', 'moz-extension://2b9d5e4c-0000-4000-8000-000000000000'],
    ['safari-web-extension://2B9D5E4C', 'safari-web-extension://2B9D5E4C'],
    ['https://Shop.EXAMPLE', 'https://shop.example'],
    ['https://shop.example:443', 'https://shop.example'],
    ['http://shop.example:80/', 'http://shop.example'],
    ['HTTPS://shop.example:8443', 'https://shop.example:8443'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['http://[0:0::1]:3000', 'http://[::1]:3000'],
  ])('%s is the origin of pages that send %s', async (given, sent) => {
    const { key, ...made } = await createKey({ scopes: ['jobs:read'], allowed_origins: ['https://a.example', given] });
    expect(made.allowed_origins).toEqual(['https://a.example', sent.toLowerCase()]);
    expect((await list(key, { Origin: sent })).status).toBe(200);
    expect((await list(key, { Origin: `${sent}x` })).status).toBe(403);
  });

  test.each([
    ['null', 'null is sent by all pages that have no origin'],
    ['*', 'an origin such as https://example.com'],
    ['https://*.example.com', 'each host is to be named'],
    ['file:///', 'no page has one with file:'],
    ['wss://a.example', 'no page has one with wss:'],
    ['https://a.example/path', 'nothing comes after the host'],
    ['https://a.example?', 'nothing comes after the host'],
    ['https://user@a.example', 'nothing comes after the host'],
    ['shop.example', 'an origin such as https://example.com'],
    ['localhost:3000', 'it has no host'],
    ['capacitor://', 'it has no host'],
  ])('%s is refused with the reason', async (origin, reason) => {
    const json = { name: 'page', scopes: ['jobs:read'], allowed_origins: [origin] };
    const refused = await service.call('POST', '/v1/keys', { json });
    expect(refused.status).toBe(422);
    const { errors } = await problemOf(refused);
    expect(errors).toMatchObject([{ pointer: '#/allowed_origins/0', message: expect.stringContaining(reason) }]);
  });

  test('pages of other origins get 403, which they can read; programs send none', async () => {
    const { key } = await createKey({ scopes: ['jobs:read'], allowed_origins: ['https://shop.example'] });
    expect((await list(key, { Origin: 'https://shop.example' })).status).toBe(200);
    expect((await list(key)).status).toBe(200);
    for (const origin of ['https://evil.example', 'http://shop.example', 'https://shop.example.evil.example', 'null']) {
      const refused = await list(key, { Origin: origin });
      expect(refused.status, origin).toBe(403);
      expect(refused.headers.get('Access-Control-Allow-Origin')).toBe('*');
      expect(await problemOf(refused)).toMatchObject({ code: 'origin-not-allowed' });
    }
    expect((await list(service.secret, { Origin: 'https://evil.example' })).status).toBe(200);
  });

  test('a preflight needs no key and allows the headers that the API reads', async () => {
    const headers = {
      Origin: 'https://shop.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,idempotency-key,content-type',
    };
    const response = await service.app.request('/v1/client_tokens', { method: 'OPTIONS', headers });
    expect(response.status).toBe(204);
    expect(response.headers.get('Access-Control-Allow-Headers')).toContain('Idempotency-Key');
    expect(response.headers.get('Access-Control-Allow-Methods')).toContain('POST');
  });
});

describe('last_used_at', () => {
  test('is written once in LAST_USED_SECONDS', async () => {
    const { id, key } = await createKey({ scopes: ['jobs:read'] });
    const lastUsed = async () => (await service.state.listKeys('acc_one')).find((each) => each.id === id)?.last_used_at;
    expect(await lastUsed()).toBeUndefined();
    await list(key);
    const first = new Date(service.clock.now()).toISOString();
    expect(await lastUsed()).toBe(first);
    service.clock.advance(LAST_USED_SECONDS - 1);
    await list(key);
    expect(await lastUsed()).toBe(first);
    service.clock.advance(1);
    await list(key);
    expect(await lastUsed()).toBe(new Date(service.clock.now()).toISOString());
  });
});

describe('test mode', () => {
  test('its keys see nothing of live ones, and live ones nothing of it', async () => {
    const { key, scopes, test: isTest } = await createKey({ test: true });
    expect(isTest).toBe(true);
    expect(key).toMatch(/^sr_test_/);
    expect(scopes).not.toContain('webhooks:manage'); // receivers are those of live mode, too
    const live = await bodyOf<JobView>(post(service.secret));
    const job = await bodyOf<JobView>(post(key));
    expect(job).toMatchObject({ test: true, charge: { amount: 0 } });
    expect(live).not.toHaveProperty('test');
    for (const [id, mine, foreign] of [
      [live.id, service.secret, key],
      [job.id, key, service.secret],
    ] as const) {
      expect((await service.call('GET', `/v1/jobs/${id}`, { key: mine })).status).toBe(200);
      for (const [method, path] of [
        ['GET', `/v1/jobs/${id}`],
        ['GET', `/v1/jobs/${id}/output`],
        ['POST', `/v1/jobs/${id}/cancel`],
        ['DELETE', `/v1/jobs/${id}`],
      ] as const) {
        expect((await service.call(method, path, { key: foreign })).status, `${method} ${path}`).toBe(404);
      }
      const listed = await bodyOf<{ data: JobView[] }>(list(mine));
      expect(listed.data.map((each) => each.id)).toEqual([id]);
    }
    const json = { input: { upload_id: await upload(service) } };
    expect((await service.call('POST', '/v1/jobs', { json, key })).status).toBe(404);
  });

  test('its keys create, list, rotate and revoke only such', async () => {
    const { key, id } = await createKey({ test: true });
    expect((await createKey({}, key)).key).toMatch(/^sr_test_/);
    const live = await service.call('POST', '/v1/keys', { json: { name: 'live', test: false }, key });
    expect(live.status).toBe(403);
    const liveKey = await createKey({});
    const listed = await bodyOf<{ data: { id: string; test?: boolean }[] }>(service.call('GET', '/v1/keys', { key }));
    expect(listed.data.every((each) => each.test)).toBe(true);
    expect((await rotate(liveKey.id, {}, key)).status).toBe(404);
    expect((await service.call('DELETE', `/v1/keys/${liveKey.id}`, { key })).status).toBe(404);
    expect((await bodyOf<{ key: string }>(rotate(id, {}, key))).key).toMatch(/^sr_test_/);
  });

  test('the same Idempotency-Key in both modes is two requests', async () => {
    const { key } = await createKey({ test: true });
    const ids = [];
    for (const secret of [service.secret, key]) {
      const json = { input: { upload_id: await upload(service, undefined, secret) } };
      const response = await service.call('POST', '/v1/jobs', {
        json,
        key: secret,
        headers: { 'Idempotency-Key': 'k' },
      });
      expect(response.status).toBe(202);
      ids.push((await bodyOf<JobView>(response)).id);
      const found = await bodyOf<{ data: JobView[] }>(
        service.call('GET', '/v1/jobs?idempotency_key=k', { key: secret }),
      );
      expect(found.data.map(({ id }) => id)).toEqual([ids.at(-1)]);
    }
    expect(new Set(ids).size).toBe(2);
  });
});

test('no secret reaches the log, with any error', async () => {
  const { secret } = service;
  const token = await bodyOf<{ token: string }>(service.call('POST', '/v1/client_tokens', { json: { end_user: 'a' } }));
  const failing = await createService({
    state: {
      ...service.state,
      listJobs: () => Promise.reject(new Error('broken')),
      touchKey: () => Promise.reject(new Error('broken')),
    },
  });
  for (const key of [secret, token.token, `${secret.slice(0, -1)}?`]) {
    await failing.call('GET', '/v1/jobs', { key });
    await failing.call('POST', '/v1/jobs', { key, json: { input: { upload_id: key } } });
    await failing.call('GET', `/v1/jobs/${key}`, { key });
  }
  const id = await announce(service, await pngOf(20, 10));
  await send(service, id, await pngOf(20, 10));
  const log = [...failing.lines, ...service.lines].join('\n');
  expect(log).toContain('broken');
  for (const key of [secret, token.token]) expect(log).not.toContain(key.slice(10, 30));
  await failing.close();
});
