import { describe, expect, test } from 'vitest';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import { type JobView, newKeySchema } from '../../shared/api.ts';
import { LAST_USED_SECONDS } from '../../shared/limits.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { announce, bodyOf, createService, pngOf, problemOf, send, serviceForEach, upload } from '../support/service.ts';

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

  test('without overlap the old secret ends at once, for a key that rotates itself too', async () => {
    const self = await createKey({ scopes: ['keys:manage', 'jobs:read'] });
    const rotated = await bodyOf<{ key: string }>(rotate(self.id, {}, self.key));
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
  test('spend_cap: 402 where a job would exceed it; what was released counts no more', async () => {
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

  test('a key that has no inflight_cap has that of the installation', async () => {
    const state = createSqliteStateStore(service.database, { now: service.now, inflightCap: 2 });
    const limited = await createService({ state });
    const { secret } = await limited.newKey();
    const own = await bodyOf<{ key: string }>(
      limited.call('POST', '/v1/keys', { json: { name: 'key', inflight_cap: 3 } }),
    );
    const statuses = async (key: string) => {
      const upload_id = await upload(limited, undefined, key);
      const answers = [];
      for (let i = 0; i < 4; i++) {
        answers.push((await limited.call('POST', '/v1/jobs', { json: { input: { upload_id } }, key })).status);
      }
      return answers;
    };
    expect(await statuses(secret)).toEqual([202, 202, 429, 429]);
    expect(await statuses(own.key)).toEqual([202, 202, 202, 429]);
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

  test('a preflight needs no key and allows what the API reads', async () => {
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

test('no secret reaches the log, whatever goes wrong', async () => {
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
