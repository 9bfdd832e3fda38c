import { describe, expect, test } from 'vitest';
import { type JobView, newClientTokenSchema } from '../../../../shared/api.ts';
import { rateLimitsSchema } from '../../../../shared/rate-limits.ts';
import {
  announce,
  bodyOf,
  createService,
  pngOf,
  problemOf,
  serviceForEach,
  succeed,
  upload,
} from '../../../support/service.ts';

const service = serviceForEach();

async function createToken(json: object = {}, key = service.secret) {
  const response = await service.call('POST', '/v1/client_tokens', { json: { end_user: 'user-1', ...json }, key });
  if (response.status !== 201) throw new Error(await response.text());
  return newClientTokenSchema.parse(await response.json());
}

let requests = 0;
async function submit(token: string, uploadId?: string): Promise<Response> {
  const json = { input: { upload_id: uploadId ?? (await upload(service, undefined, token)) } };
  return service.call('POST', '/v1/jobs', {
    json,
    key: token,
    headers: { 'Idempotency-Key': `request-${requests++}` },
  });
}

describe('a client token', () => {
  test('uploads, submits, polls, cancels and fetches for its end user', async () => {
    const created = await createToken({ ttl_seconds: 600, max_jobs: 5 });
    expect(created).toMatchObject({
      end_user: 'user-1',
      max_jobs: 5,
      scopes: ['uploads:write', 'jobs:write', 'jobs:read', 'jobs:cancel'],
      expires_at: new Date(service.clock.now() + 600_000).toISOString(),
    });
    expect(created.token).toMatch(/^sr_client_[0-9A-Za-z]{49}$/);
    expect(created).not.toHaveProperty('account');
    const { token } = created;
    const response = await submit(token);
    expect(response.status).toBe(202);
    const job = await bodyOf<JobView>(response);
    expect((await service.call('GET', `/v1/jobs/${job.id}`, { key: token })).status).toBe(200);
    await succeed(service, job.id);
    expect((await service.call('GET', `/v1/jobs/${job.id}/output`, { key: token })).status).toBe(302);
    const second = await bodyOf<JobView>(submit(token));
    expect((await service.call('POST', `/v1/jobs/${second.id}/cancel`, { key: token })).status).toBe(200);
    // The key that it is of sees all of it.
    expect((await service.call('GET', `/v1/jobs/${job.id}`)).status).toBe(200);
  });

  test('sees 404 for everything of another end user, of the key itself, and of another account', async () => {
    const mine = await createToken();
    const theirs = await createToken({ end_user: 'user-2' });
    const otherAccount = await createToken({}, (await service.newKey('acc_two')).secret);
    const jobs = [
      await bodyOf<JobView>(submit(theirs.token)),
      await bodyOf<JobView>(submit(otherAccount.token)),
      await bodyOf<JobView>(
        service.call('POST', '/v1/jobs', { json: { input: { upload_id: await upload(service) } } }),
      ),
    ];
    for (const { id } of jobs) {
      for (const [method, path] of [
        ['GET', `/v1/jobs/${id}`],
        ['GET', `/v1/jobs/${id}/output`],
        ['POST', `/v1/jobs/${id}/cancel`],
        ['DELETE', `/v1/jobs/${id}`],
      ] as const) {
        const response = await service.call(method, path, { key: mine.token });
        expect(response.status, `${method} ${path}`).toBe(404);
      }
      expect((await service.state.getJob(id))?.status).toBe('queued');
    }
    expect((await submit(mine.token, await upload(service, undefined, theirs.token))).status).toBe(404);
    expect((await submit(mine.token, await upload(service))).status).toBe(404);
    const own = await bodyOf<JobView>(submit(mine.token));
    const again = await createToken();
    for (const { token } of [mine, again]) {
      const list = await bodyOf<{ data: JobView[] }>(service.call('GET', '/v1/jobs', { key: token }));
      expect(list.data.map(({ id }) => id)).toEqual([own.id]);
    }
  });

  test('must send an Idempotency-Key with a job: 400 without', async () => {
    const { token } = await createToken();
    const json = { input: { upload_id: await upload(service, undefined, token) } };
    const refused = await service.call('POST', '/v1/jobs', { json, key: token });
    expect(refused.status).toBe(400);
    expect((await problemOf(refused)).code).toBe('idempotency-key-missing');
    expect(refused.headers.get('Link')).toContain('rel="describedby"');
    const quote = await service.call('POST', '/v1/quotes', { json: { input: { width: 20, height: 10 } }, key: token });
    expect(quote.status).toBe(200);
    const tags = await service.call('POST', '/v1/tags', { json: { upload_id: json.input.upload_id }, key: token });
    expect((await problemOf(tags)).code).not.toBe('idempotency-key-missing');
  });

  test('gets its own answer again, with the next token of the same user too, and never that of another user', async () => {
    const post = (token: string, upload_id: string) =>
      service.call('POST', '/v1/jobs', {
        json: { input: { upload_id } },
        key: token,
        headers: { 'Idempotency-Key': 'same' },
      });
    const first = await createToken();
    const upload_id = await upload(service, undefined, first.token);
    const body = await (await post(first.token, upload_id)).text();
    const renewed = await createToken();
    const again = await post(renewed.token, upload_id);
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
    expect(await again.text()).toBe(body);
    const other = await createToken({ end_user: 'user-2' });
    expect((await post(other.token, upload_id)).status).toBe(404);
    const theirs = await post(other.token, await upload(service, undefined, other.token));
    expect(theirs.headers.has('Idempotent-Replayed')).toBe(false);
    expect(theirs.status).toBe(202);
    // An end user of the name "test" is not test mode.
    const json = { name: 'test', test: true };
    const { key } = await bodyOf<{ key: string }>(service.call('POST', '/v1/keys', { json }));
    const named = await createToken({ end_user: 'test' });
    for (const secret of [key, named.token]) {
      const answer = await post(secret, await upload(service, undefined, secret));
      expect(answer.headers.has('Idempotent-Replayed')).toBe(false);
      expect(answer.status).toBe(202);
    }
  });

  test('ends after its time, and with its key', async () => {
    const { secret, id } = await service.newKey();
    const brief = await createToken({ ttl_seconds: 60 }, secret);
    const list = (key: string) => service.call('GET', '/v1/jobs', { key });
    service.clock.advance(59);
    expect((await list(brief.token)).status).toBe(200);
    service.clock.advance(1);
    const expired = await list(brief.token);
    expect(expired.status).toBe(401);
    expect((await problemOf(expired)).detail).toContain(`client token ${brief.id} expired`);
    const { token } = await createToken({}, secret);
    await service.call('DELETE', `/v1/keys/${id}`);
    const revoked = await list(token);
    expect(revoked.status).toBe(401);
    expect((await problemOf(revoked)).detail).toContain(id);
  });

  test('creates max_jobs jobs, each of max_price at most, within the caps of its key', async () => {
    const { token } = await createToken({ max_jobs: 2 });
    const upload_id = await upload(service, undefined, token);
    expect([(await submit(token, upload_id)).status, (await submit(token, upload_id)).status]).toEqual([202, 202]);
    const refused = await submit(token, upload_id);
    expect(refused.status).toBe(403);
    expect((await problemOf(refused)).code).toBe('token-used-up');

    const json = { name: 'capped', inflight_cap: 1 };
    const capped = await bodyOf<{ key: string }>(service.call('POST', '/v1/keys', { json }));
    const [a, b] = [await createToken({}, capped.key), await createToken({ end_user: 'user-2' }, capped.key)];
    expect((await submit(a.token)).status).toBe(202);
    expect((await submit(b.token)).status).toBe(429);
  });

  test('cannot act outside its scopes: keys, tokens, and all that its key lacks', async () => {
    const { token } = await createToken();
    for (const [method, path] of [
      ['POST', '/v1/client_tokens'],
      ['POST', '/v1/keys'],
      ['GET', '/v1/keys'],
    ] as const) {
      expect(
        (await service.call(method, path, { key: token, ...(method === 'POST' && { json: {} }) })).status,
        path,
      ).toBe(403);
    }
    const reader = await createToken({ scopes: ['jobs:read'] });
    const refused = await service.call('POST', '/v1/uploads', { key: reader.token, json: {} });
    expect(refused.status).toBe(403);
    expect((await problemOf(refused)).detail).toContain(reader.id);
    const { secret } = await service.newKey('acc_one', ['tokens:create', 'jobs:read']);
    expect((await createToken({}, secret)).scopes).toEqual(['jobs:read']);
    const json = { end_user: 'user-1', scopes: ['jobs:write'] };
    expect((await service.call('POST', '/v1/client_tokens', { json, key: secret })).status).toBe(403);
  });

  test('of a key with allowed origins may be used from their pages only', async () => {
    const json = { name: 'shop', allowed_origins: ['https://shop.example'] };
    const { key } = await bodyOf<{ key: string }>(service.call('POST', '/v1/keys', { json }));
    const { token } = await createToken({}, key);
    const from = (Origin: string) => service.call('GET', '/v1/jobs', { key: token, headers: { Origin } });
    expect((await from('https://shop.example')).status).toBe(200);
    expect((await from('https://evil.example')).status).toBe(403);
  });

  test('of a test key is in test mode', async () => {
    const { key } = await bodyOf<{ key: string }>(
      service.call('POST', '/v1/keys', { json: { name: 'test', test: true } }),
    );
    const { token } = await createToken({}, key);
    expect(await bodyOf<JobView>(submit(token))).toMatchObject({ test: true });
  });

  test.each([
    [{ ttl_seconds: 901 }, '#/ttl_seconds'],
    [{ max_jobs: 0 }, '#/max_jobs'],
    [{ end_user: 'Jane Doe' }, '#/end_user'],
    [{ scopes: ['keys:manage'] }, '#/scopes/0'],
  ])('422 for %j', async (json, pointer) => {
    const response = await service.call('POST', '/v1/client_tokens', { json: { end_user: 'a', ...json } });
    expect((await problemOf(response)).errors?.[0]?.pointer).toBe(pointer);
  });

  test('has a burst of its own, and shares the jobs of its key', async () => {
    const rateLimits = rateLimitsSchema.parse({
      burst: { quota: 3, window_seconds: 1000 },
      jobs: { quota: 1, window_seconds: 1000 },
    });
    const limited = await createService({ rateLimits });
    const tokens = [];
    for (const end_user of ['user-1', 'user-2']) {
      const { token } = await bodyOf<{ token: string }>(
        limited.call('POST', '/v1/client_tokens', { json: { end_user } }),
      );
      tokens.push(token);
    }
    const statuses = [];
    for (const key of tokens) {
      const json = { input: { upload_id: await announce(limited, await pngOf(20, 10), key) } };
      const headers = { 'Idempotency-Key': 'job' };
      const submitted = await limited.call('POST', '/v1/jobs', { json, key, headers });
      statuses.push(submitted.status, (await limited.call('GET', '/v1/jobs', { key })).status);
    }
    expect(statuses).toEqual([202, 200, 429, 200]);
    expect((await limited.call('GET', '/v1/jobs', { key: tokens[0]! })).status).toBe(429);
    await limited.close();
  });
});
