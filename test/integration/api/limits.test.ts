import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRateLimiter, rateLimitsSchema } from '../../shared/rate-limit.ts';
import { createClock } from '../support/clock.ts';
import { bodyOf, createService, problemOf, type Service, submit, upload } from '../support/service.ts';

const LIMITS = rateLimitsSchema.parse({
  burst: { quota: 20, window_seconds: 10 },
  jobs: { quota: 3, window_seconds: 3600 },
  poll: { quota: 1, window_seconds: 1 },
  inflight: { quota: 8 },
});

let service: Service;
const clock = createClock();
beforeEach(async () => {
  const limiter = createRateLimiter({ limits: LIMITS, now: clock.now });
  service = await createService({ limiter });
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
    clock.advance(1);
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
      clock.advance(0.1);
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(2);
    expect((await service.call('GET', `/v1/jobs/${other.id}`)).status).toBe(200);
    clock.advance(1);
    expect((await service.call('GET', `/v1/jobs/${job.id}`)).status).toBe(200);
    expect((await service.state.getJob(job.id))?.status).toBe('queued');
  });

  test('polls that find nothing new cost no quota but their own', async () => {
    const limits = { ...LIMITS, burst: { quota: 5, window_seconds: 1_000_000 } };
    const limited = await createService({ limiter: createRateLimiter({ limits, now: clock.now }) });
    const job = await submit(limited); // two requests
    const poll = (headers: Record<string, string>) => limited.call('GET', `/v1/jobs/${job.id}`, { headers });
    for (let i = 0; i < 10; i++) {
      const response = await poll({ 'If-None-Match': 'W/"j1"' });
      expect(response.status).toBe(304);
      expect(remaining(response)).toMatch(/^"poll";r=0;t=1, "burst";r=2;t=\d+$/);
      clock.advance(1);
    }
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) {
      statuses.push((await poll({})).status);
      clock.advance(1);
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
    clock.advance(1200);
    expect((await post('4')).status).toBe(202); // 429 was not remembered
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
