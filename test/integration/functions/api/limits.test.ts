import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createApp } from '../../../../functions/api/app.ts';
import { createSqliteStateStore } from '../../../../shared/adapters/local/sqlite-state-store.ts';
import { createRateLimiter } from '../../../../shared/rate-limit.ts';
import { rateLimitsSchema } from '../../../../shared/rate-limits.ts';
import { bodyOf, createService, problemOf, type Service, submit, upload } from '../../../support/service.ts';

const LIMITS = rateLimitsSchema.parse({
  burst: { quota: 20, window_seconds: 10 },
  jobs: { quota: 3, window_seconds: 3600 },
  poll: { quota: 1, window_seconds: 1 },
  inflight: { quota: 8 },
});

let service: Service;
beforeEach(async () => {
  service = await createService({ rateLimits: LIMITS });
});
afterEach(() => service.close());

const list = (key?: string) => service.call('GET', '/v1/jobs', key ? { key } : {});
const remaining = (response: Response) => response.headers.get('RateLimit');

/** RFC 9651: a list of strings with parameters of whole numbers or strings, as far as these fields need it. */
const FIELD = /^"[a-z]+"(;[a-z]+=(\d+|"[a-z-]+"))+(, "[a-z]+"(;[a-z]+=(\d+|"[a-z-]+"))+)*$/;

describe('RateLimit fields', () => {
  test('are on every answer to a key, a refused one too, and on no other', async () => {
    const policies = [
      /^"burst";q=20;w=10, "jobs";q=3;w=3600, "poll";q=1;w=1, /,
      /"inflight";q=8;qu="concurrent-requests"$/,
    ];
    const answers = [
      await list(),
      await service.call('GET', '/v1/jobs?limit=0'),
      await service.call('GET', '/v1/jobs/job_00000000000000000000000000'),
      await service.call('POST', '/v1/jobs', { json: {} }),
      await service.call('GET', '/v1/keys', { key: (await service.newKey('acc_one', ['jobs:read'])).secret }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 422, 404, 422, 403]);
    for (const answer of answers) {
      for (const part of policies) expect(answer.headers.get('RateLimit-Policy')).toMatch(part);
      expect(answer.headers.get('RateLimit-Policy')).toMatch(FIELD);
      expect(remaining(answer)).toMatch(FIELD);
      expect(answer.headers.get('Access-Control-Expose-Headers')).toMatch(/RateLimit,RateLimit-Policy/);
    }
    expect(remaining(answers[0]!)).toBe('"burst";r=19;t=1');
    expect(remaining(answers[2]!)).toBe('"poll";r=0;t=1, "burst";r=17;t=2');
    expect((await service.app.request('/v1/models')).headers.has('RateLimit')).toBe(false);
    expect((await service.app.request('/v1/jobs')).headers.has('RateLimit-Policy')).toBe(false);
  });

  test('of jobs and previews are the same from every process; none of several tells its own counts', async () => {
    const { limits, now } = { limits: LIMITS, now: service.now };
    const processes = [1, 2].map(() => {
      const state = createSqliteStateStore(service.database, { now, limits });
      return createApp({ ...service, state, limiter: createRateLimiter({ limits, now, isAlone: false }) });
    });
    const preview = { x: 0, y: 0, width: 9, height: 9 };
    const json = JSON.stringify({ input: { upload_id: await upload(service) }, preview });
    const headers = { Authorization: `Bearer ${service.secret}`, 'Content-Type': 'application/json' };
    const told: (string | null)[] = [];
    for (let i = 0; i < 4; i++) {
      const response = await processes[i % 2]!.request('/v1/jobs', { method: 'POST', headers, body: json });
      expect(response.headers.get('RateLimit-Policy')).toMatch(/^"burst";q=20;w=10, "jobs";q=3;w=3600/);
      told.push(response.headers.get('RateLimit'));
    }
    expect(told).toEqual([
      '"jobs";r=2;t=1200, "previews";r=49;t=1728',
      '"jobs";r=1;t=2400, "previews";r=48;t=3456',
      '"jobs";r=0;t=1200, "previews";r=47;t=5184',
      '"jobs";r=0;t=1200',
    ]);
    for (let i = 0; i < 40; i++) {
      const response = await processes[0]!.request('/v1/jobs', { headers });
      expect(response.headers.has('RateLimit')).toBe(false);
      expect(response.headers.has('Retry-After')).toBe(response.status === 429);
    }
  });

  test('a submit tells how many jobs are left', async () => {
    const json = { input: { upload_id: await upload(service) } };
    const response = await service.call('POST', '/v1/jobs', { json });
    expect(remaining(response)).toBe('"burst";r=18;t=1, "jobs";r=2;t=1200');
  });
});

describe('429', () => {
  test('after the burst, with a problem, its policy and when to come again', async () => {
    for (let i = 0; i < 20; i++) expect((await list()).status).toBe(200);
    const response = await list();
    expect(response.status).toBe(429);
    expect(response.headers.get('Retry-After')).toBe('1');
    expect(remaining(response)).toBe('"burst";r=0;t=1');
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
    expect(await problemOf(response)).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      status: 429,
      code: 'quota-exceeded',
      'violated-policies': ['burst'],
      retryable: true,
      charged: false,
    });
    const other = await service.newKey();
    expect((await list(other.secret)).status).toBe(200);
    service.clock.advance(1);
    expect((await list()).status).toBe(200);
  });

  test('polls of one job at 10 Hz meet it, at 1 Hz they do not, and the job is unharmed', async () => {
    const job = await submit(service);
    const other = await submit(service);
    const statuses: number[] = [];
    for (let i = 0; i < 20; i++) {
      const response = await service.call('GET', `/v1/jobs/${job.id}`);
      statuses.push(response.status);
      if (response.status === 429) {
        expect((await problemOf(response))['violated-policies']).toEqual(['poll']);
        expect(response.headers.get('Retry-After')).toBe('1');
      }
      service.clock.advance(0.1);
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(2);
    expect((await service.call('GET', `/v1/jobs/${other.id}`)).status).toBe(200);
    service.clock.advance(1);
    expect((await service.call('GET', `/v1/jobs/${job.id}`)).status).toBe(200);
    expect((await service.state.getJob(job.id))?.status).toBe('queued');
  });

  test('polls that find nothing new cost no quota but their own', async () => {
    const limited = await createService({
      rateLimits: { ...LIMITS, burst: { quota: 5, window_seconds: 1_000_000 } },
    });
    const job = await submit(limited); // two requests
    const poll = (headers: Record<string, string>) => limited.call('GET', `/v1/jobs/${job.id}`, { headers });
    for (let i = 0; i < 10; i++) {
      const response = await poll({ 'If-None-Match': 'W/"j1"' });
      expect(response.status).toBe(304);
      expect(remaining(response)).toMatch(/^"poll";r=0;t=1, "burst";r=2;t=\d+$/);
      limited.clock.advance(1);
    }
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) {
      statuses.push((await poll({})).status);
      limited.clock.advance(1);
    }
    expect(statuses).toEqual([200, 200, 200, 429]);
    await limited.close();
  });

  test('after as many jobs as a key may create; a repeat is none', async () => {
    const json = { input: { upload_id: await upload(service) } };
    const post = (key: string) => service.call('POST', '/v1/jobs', { json, headers: { 'Idempotency-Key': key } });
    for (const key of ['1', '2', '3']) expect((await post(key)).status).toBe(202);
    const refused = await post('4');
    expect(refused.status).toBe(429);
    expect((await problemOf(refused))['violated-policies']).toEqual(['jobs']);
    expect(Number(refused.headers.get('Retry-After'))).toBe(1200);
    expect((await post('1')).headers.get('Idempotent-Replayed')).toBe('true');
    service.clock.advance(1200);
    expect((await post('4')).status).toBe(202); // 429 was not remembered
  });

  test.each<[policy: string, quota: object, path: string, json: object]>([
    ['keys', { quota: 2, window_seconds: 60 }, '/v1/keys', { name: 'key' }],
    ['tokens', { quota: 2, window_seconds: 60 }, '/v1/client_tokens', { end_user: 'a' }],
    ['uploads', { quota: 2, bytes: 1000 }, '/v1/uploads', { bytes: 10, content_type: 'image/png' }],
    ['uploads', { quota: 9, bytes: 20 }, '/v1/uploads', { bytes: 10, content_type: 'image/png' }],
  ])('after as many %s as an account may create, by any key', async (policy, quota, path, json) => {
    const limited = await createService({ rateLimits: rateLimitsSchema.parse({ [policy]: quota }) });
    const keys = [limited.secret, (await limited.newKey()).secret];
    const post = (i: number, key = keys[i % 2]!) => limited.call('POST', path, { json, key });
    // The key of `newKey` is one of the account, too.
    for (let i = policy === 'keys' ? 2 : 0; i < 2; i++) expect((await post(i)).status).toBe(201);
    for (let i = 0; i < 2; i++) {
      const refused = await post(i);
      expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0);
      expect(await problemOf(refused)).toMatchObject({ status: 429, 'violated-policies': [policy], retryable: true });
    }
    expect((await post(0, (await limited.newKey('acc_two')).secret)).status).toBe(201);
    await limited.close();
  });

  test('after as many pings and replays', async () => {
    const outbound = { check() {}, fetch: () => Promise.reject(new Error('Nothing is sent here.')) };
    const rateLimits = rateLimitsSchema.parse({ pings: { quota: 2, window_seconds: 60 } });
    const limited = await createService({ rateLimits, outbound });
    const json = { url: 'https://example.com/' };
    const { id } = await bodyOf<{ id: string }>(limited.call('POST', '/v1/webhook_endpoints', { json }));
    const ping = await bodyOf<{ id: string }>(limited.call('POST', `/v1/webhook_endpoints/${id}/ping`));
    const replay = () => limited.call('POST', `/v1/webhook_deliveries/${ping.id}/replay`);
    expect((await replay()).status).toBe(202);
    expect((await problemOf(await replay()))['violated-policies']).toEqual(['pings']);
    await limited.close();
  });

  test('is documented for every route with a key', async () => {
    const document = await bodyOf<{ paths: Record<string, Record<string, { security?: object; responses: object }>> }>(
      service.app.request('/openapi.json'),
    );
    for (const operation of Object.values(document.paths).flatMap((item) => Object.values(item))) {
      if (operation.security) expect(operation.responses).toHaveProperty('429');
    }
  });
});
