import { describe, expect, test } from 'vitest';
import { newKeySchema } from '../../../../shared/api.ts';
import { ALL_SCOPES } from '../../../../shared/keys.ts';
import { bodyOf, createService, problemOf, serviceForEach, submit, upload } from '../../../support/service.ts';

const service = serviceForEach();

const listJobs = (headers: Record<string, string>) => service.app.request('/v1/jobs', { headers });

describe('authentication', () => {
  test('accepts Authorization, X-Api-Key, or both with the same key', async () => {
    const bearer = `Bearer ${service.secret}`;
    expect((await listJobs({ Authorization: bearer })).status).toBe(200);
    expect((await listJobs({ Authorization: `bearer  ${service.secret}` })).status).toBe(200);
    expect((await listJobs({ 'X-Api-Key': service.secret })).status).toBe(200);
    expect((await listJobs({ Authorization: bearer, 'X-Api-Key': service.secret })).status).toBe(200);
  });

  test('refuses two different keys with 400', async () => {
    const other = await service.newKey();
    const response = await listJobs({ Authorization: `Bearer ${service.secret}`, 'X-Api-Key': other.secret });
    expect(response.status).toBe(400);
    expect((await problemOf(response)).code).toBe('malformed');
  });

  test.each([
    ['no key', {}, 'Send an API key'],
    ['another scheme', { Authorization: 'Basic dTpw' }, 'not of the form'],
    ['no token', { Authorization: 'Bearer ' }, 'not of the form'],
    ['an empty key', { 'X-Api-Key': '' }, 'Send an API key'],
  ])('401 for %s', async (_what, headers, detail) => {
    const response = await listJobs(headers as Record<string, string>);
    expect(response.status).toBe(401);
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer');
    expect((await problemOf(response)).detail).toContain(detail);
  });

  test('401 for a mistyped key says so, without a look-up', async () => {
    const typo = service.secret.slice(0, -1) + (service.secret.endsWith('a') ? 'b' : 'a');
    const response = await listJobs({ 'X-Api-Key': typo });
    expect(response.status).toBe(401);
    expect(response.headers.get('WWW-Authenticate')).toBe('Bearer error="invalid_token"');
    expect((await problemOf(response)).detail).toContain('mistyped');
  });

  test('401 for a well-formed key of another installation', async () => {
    const elsewhere = await createService();
    const response = await listJobs({ 'X-Api-Key': elsewhere.secret });
    await elsewhere.close();
    expect(response.status).toBe(401);
    expect((await problemOf(response)).detail).toContain('not known');
  });

  test('401 once a key has expired', async () => {
    const { secret } = await service.newKey('acc_one', ['jobs:read'], '2026-01-01T00:01:00.000Z');
    expect((await listJobs({ 'X-Api-Key': secret })).status).toBe(200);
    service.clock.advance(60);
    const response = await listJobs({ 'X-Api-Key': secret });
    expect(response.status).toBe(401);
    expect((await problemOf(response)).detail).toContain('expired at 2026-01-01T00:01:00.000Z');
  });

  test('403 names the missing scope', async () => {
    const { secret } = await service.newKey('acc_one', ['jobs:read']);
    const response = await service.call('POST', '/v1/uploads', { json: {}, key: secret });
    expect(response.status).toBe(403);
    expect((await problemOf(response)).detail).toContain('uploads:write');
    expect(response.headers.get('WWW-Authenticate')).toContain('scope="uploads:write"');
  });

  test.each([
    ['POST', '/v1/uploads', 'uploads:write'],
    ['POST', '/v1/jobs', 'jobs:write'],
    ['GET', '/v1/jobs', 'jobs:read'],
    ['GET', '/v1/jobs/job_00000000000000000000000000', 'jobs:read'],
    ['GET', '/v1/jobs/job_00000000000000000000000000/output', 'jobs:read'],
    ['POST', '/v1/jobs/job_00000000000000000000000000/cancel', 'jobs:cancel'],
    ['DELETE', '/v1/jobs/job_00000000000000000000000000', 'jobs:write'],
    ['POST', '/v1/keys', 'keys:manage'],
    ['GET', '/v1/keys', 'keys:manage'],
    ['POST', '/v1/keys/key_00000000000000000000000000/rotate', 'keys:manage'],
    ['POST', '/v1/client_tokens', 'tokens:create'],
    ['DELETE', '/v1/keys/key_00000000000000000000000000', 'keys:manage'],
  ] as const)('%s %s needs %s and nothing else', async (method, path, scope) => {
    const others = await service.newKey(
      'acc_one',
      ALL_SCOPES.filter((each) => each !== scope),
    );
    expect((await service.call(method, path, { key: others.secret })).status).toBe(403);
    const only = await service.newKey('acc_one', [scope]);
    expect([401, 403]).not.toContain((await service.call(method, path, { key: only.secret })).status);
  });
});

describe('other accounts', () => {
  test('see 404 for everything that is not theirs', async () => {
    const { secret } = await service.newKey('acc_two');
    const job = await submit(service);
    const uploadId = await upload(service);
    const keyId = (await service.newKey()).id;
    const calls: [string, string, unknown?][] = [
      ['GET', `/v1/jobs/${job.id}`],
      ['GET', `/v1/jobs/${job.id}/output`],
      ['POST', `/v1/jobs/${job.id}/cancel`],
      ['DELETE', `/v1/jobs/${job.id}`],
      ['DELETE', `/v1/keys/${keyId}`],
      ['POST', '/v1/jobs', { input: { upload_id: uploadId } }],
    ];
    for (const [method, path, json] of calls) {
      const response = await service.call(method, path, { key: secret, json });
      expect(response.status, `${method} ${path}`).toBe(404);
    }
    expect(await bodyOf(service.call('GET', '/v1/jobs', { key: secret }))).toEqual({ data: [] });
    expect((await service.state.getJob(job.id))!.status).toBe('queued');
  });
});

describe('keys', () => {
  test('a new key works, and its secret is shown once', async () => {
    const json = { name: 'phone', scopes: ['jobs:read', 'jobs:read'] };
    const response = await service.call('POST', '/v1/keys', { json });
    expect(response.status).toBe(201);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    const created = newKeySchema.parse(await response.json());
    expect(created).toMatchObject({ name: 'phone', scopes: ['jobs:read'], last4: created.key.slice(-4) });
    expect(created).not.toHaveProperty('account');
    expect((await service.call('GET', '/v1/jobs', { key: created.key })).status).toBe(200);
    const list = await (await service.call('GET', '/v1/keys')).text();
    expect(list).toContain(created.id);
    expect(list).not.toContain(created.key);
    expect(list).not.toContain('acc_one');
  });

  test('inherits the scopes of its creator by default and can never have more', async () => {
    const { secret } = await service.newKey('acc_one', ['keys:manage', 'jobs:read']);
    const same = await service.call('POST', '/v1/keys', { json: { name: 'same' }, key: secret });
    expect(await same.json()).toMatchObject({ scopes: ['keys:manage', 'jobs:read'] });
    const json = { name: 'more', scopes: ['jobs:read', 'jobs:write'] };
    const more = await service.call('POST', '/v1/keys', { json, key: secret });
    expect(more.status).toBe(403);
    expect((await problemOf(more)).detail).toContain('jobs:write');
  });

  test('inherits the expiry of its creator by default and can never live longer', async () => {
    const { secret } = await service.newKey('acc_one', ['keys:manage'], '2026-02-01T00:00:00.000Z');
    const same = await service.call('POST', '/v1/keys', { json: { name: 'same' }, key: secret });
    expect(await same.json()).toMatchObject({ expires_at: '2026-02-01T00:00:00.000Z' });
    const json = { name: 'longer', expires_at: '2026-02-01T00:00:01Z' };
    expect((await service.call('POST', '/v1/keys', { json, key: secret })).status).toBe(403);
  });

  test('422 for a name that would move the cursor of a terminal', async () => {
    const response = await service.call('POST', '/v1/keys', { json: { name: 'a\u001b[31m' } });
    expect((await problemOf(response)).errors).toMatchObject([{ pointer: '#/name' }]);
  });

  test('422 for an expiry in the past', async () => {
    const json = { name: 'old', expires_at: '2025-12-31T00:00:00Z' };
    const response = await service.call('POST', '/v1/keys', { json });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors?.[0]?.pointer).toBe('#/expires_at');
  });

  test('revoking works at once, also for a key that was just used', async () => {
    const { id, secret } = await service.newKey();
    expect((await service.call('GET', '/v1/jobs', { key: secret })).status).toBe(200);
    expect((await service.call('DELETE', `/v1/keys/${id}`)).status).toBe(204);
    const response = await service.call('GET', '/v1/jobs', { key: secret });
    expect(response.status).toBe(401);
    expect((await problemOf(response)).detail).toContain('revoked');
    expect((await service.call('DELETE', `/v1/keys/${id}`)).status).toBe(204);
    expect((await service.call('DELETE', '/v1/keys/key_00000000000000000000000000')).status).toBe(404);
  });
});

describe('whose a key is', () => {
  const ask = async (key: string) => bodyOf(service.call('GET', '/v1/key', { key }));

  test('is the same for every key of the account, and another for test mode, another end user, another account', async () => {
    const scopes = ['jobs:read'] as const;
    const same = await service.newKey('acc_one', scopes);
    expect(await ask(same.secret)).toEqual({ account: 'acc_one', scopes });
    expect(await ask(service.secret)).toMatchObject({ account: 'acc_one' });
    expect(await ask((await service.newKey('acc_two', scopes)).secret)).toMatchObject({ account: 'acc_two' });
    const body = { name: 'test', test: true };
    const { key } = await bodyOf<{ key: string }>(service.call('POST', '/v1/keys', { json: body }));
    expect(await ask(key)).toMatchObject({ account: 'acc_one', test: true });
    const { token } = await bodyOf<{ token: string }>(
      service.call('POST', '/v1/client_tokens', { json: { end_user: 'anna' } }),
    );
    expect(await ask(token)).toMatchObject({ account: 'acc_one', end_user: 'anna' });
  });

  test('is told to none that may not see jobs', async () => {
    const { secret } = await service.newKey('acc_one', ['uploads:write']);
    expect(await problemOf(await service.call('GET', '/v1/key', { key: secret }))).toMatchObject({ code: 'forbidden' });
  });
});
