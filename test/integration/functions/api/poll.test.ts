import { beforeEach, describe, expect, test } from 'vitest';
import { type JobView, jobSchema } from '../../../../shared/api.ts';
import type { Progress } from '../../../../shared/job.ts';
import {
  bodyOf,
  claim,
  createService,
  problemOf,
  serviceForEach,
  submit,
  succeed,
  upload,
} from '../../../support/service.ts';

interface JobList {
  data: JobView[];
  next_cursor?: string;
}

const service = serviceForEach();
let job: JobView;
beforeEach(async () => {
  job = await submit(service);
});

const poll = (headers?: Record<string, string>) =>
  service.call('GET', `/v1/jobs/${job.id}`, headers ? { headers } : undefined);

describe('GET /v1/jobs/{id}', () => {
  test('200 while the job waits, with its place in the queue', async () => {
    const response = await poll();
    expect(response.status).toBe(200);
    expect(response.headers.get('ETag')).toBe('W/"j1"');
    expect(response.headers.get('Cache-Control')).toBe('private, no-cache');
    expect(response.headers.get('Vary')).toBe('Authorization, X-Api-Key, Prefer, Accept');
    expect(response.headers.get('Retry-After')).toBe('1');
    const body = jobSchema.parse(await response.json());
    expect(body).toMatchObject({ status: 'queued', terminal: false, queue: { position_estimate: 1 } });
    expect(body).not.toHaveProperty('output');
    expect(body.links).not.toHaveProperty('output');
  });

  test('shows progress of a running job', async () => {
    const attempt = await claim(service, job.id);
    const progress = { percent: 25, stage: 'upscale', tile: 1, tiles: 4 } as const;
    await service.state.updateJob(job.id, { type: 'progress', attempt, progress });
    const body = jobSchema.parse(await (await poll()).json());
    expect(body).toMatchObject({ status: 'running', attempt: 1, progress });
    expect(body).not.toHaveProperty('queue');
  });

  test('estimates its end from the times of the jobs before it; the estimate makes no new version', async () => {
    const timeIn = (seconds: number) => new Date(service.now() + seconds * 1000).toISOString();
    const view = async () => jobSchema.parse(await (await poll()).json());
    await service.state.recordPace('real-esrgan', { seconds: 6, work: 0.0002, loadSeconds: 2 }); // as many pixels
    expect(await view()).toMatchObject({ queue: { ahead_seconds: 0 }, eta: timeIn(6), version: 1 });
    const later = await submit(service);
    job = later;
    const second = await view();
    expect(second).toMatchObject({ queue: { position_estimate: 2, ahead_seconds: 6 }, eta: timeIn(12), version: 1 });
    service.clock.advance(3);
    expect((await view()).eta).toBe(timeIn(12));
    expect((await poll({ 'If-None-Match': 'W/"j1"' })).status).toBe(304);
    const attempt = await claim(service, later.id);
    const tell = (progress: Progress) => service.state.updateJob(later.id, { type: 'progress', attempt, progress });
    expect(await view()).toMatchObject({ status: 'starting', eta: timeIn(6) });
    await tell({ percent: 0, stage: 'load' });
    expect(await view()).toMatchObject({ cold_start: true, eta: timeIn(6) });
    service.clock.advance(4);
    await tell({ percent: 40, stage: 'upscale' });
    expect(await view()).toMatchObject({ cold_start: true, eta: timeIn(6) }); // as it went so far: 4 s for 40 %
    await service.state.updateJob(later.id, { type: 'give_back', attempt });
    await claim(service, later.id);
    expect(await view()).not.toHaveProperty('cold_start');
  });

  test('guesses no end before now, though the clock of the worker is ahead', async () => {
    service.clock.advance(30);
    const attempt = await claim(service, job.id);
    const progress = { percent: 40, stage: 'upscale' } as const;
    await service.state.updateJob(job.id, { type: 'progress', attempt, progress });
    service.clock.advance(-30);
    const response = await poll();
    expect(Number(response.headers.get('Retry-After'))).toBeGreaterThanOrEqual(1);
    const { created_at, started_at, eta } = jobSchema.parse(await response.json());
    expect(Date.parse(started_at!) - Date.parse(created_at)).toBe(30_000);
    expect(Date.parse(eta!)).toBeGreaterThanOrEqual(service.now());
  });

  test('shows the result by its stable URL, never a signed one, and nothing internal', async () => {
    const { key } = await succeed(service, job.id);
    const response = await poll();
    expect(response.headers.get('Cache-Control')).toBe('private, max-age=60');
    expect(response.headers.get('Retry-After')).toBeNull();
    const text = await response.text();
    const body = jobSchema.parse(JSON.parse(text));
    expect(body).toMatchObject({
      status: 'succeeded',
      terminal: true,
      output: { url: `http://localhost/v1/jobs/${job.id}/output`, width: 80, height: 40, mime: 'image/png' },
      charge: { state: 'captured' },
    });
    expect(body.links).toEqual({ self: job.links.self, output: body.output!.url });
    for (const internal of [key, 'acc_one', 'input_key', 'lease_until', 'due_at']) expect(text).not.toContain(internal);
  });

  test('Retry-After is whole seconds, 1 to 15, and rises with the time waited', async () => {
    service.clock.advance(24);
    const seen = new Set<number>();
    for (let i = 0; i < 100; i++) seen.add(Number((await poll()).headers.get('Retry-After')));
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(5); // 24 s / 4 = 6 s, ±20 %
    expect(Math.max(...seen)).toBeLessThanOrEqual(7);
    expect(seen.size).toBeGreaterThan(1);
    service.clock.advance(3600);
    for (let i = 0; i < 100; i++) {
      const value = Number((await poll()).headers.get('Retry-After'));
      expect(value).toBeGreaterThanOrEqual(10);
      expect(value).toBeLessThanOrEqual(15);
    }
  });

  test('404 for an unknown job, 410 for a deleted one', async () => {
    expect((await service.call('GET', '/v1/jobs/job_00000000000000000000000000')).status).toBe(404);
    await succeed(service, job.id);
    await service.call('DELETE', `/v1/jobs/${job.id}`);
    const response = await poll();
    expect(response.status).toBe(410);
    expect((await problemOf(response)).code).toBe('gone');
  });
});

describe('If-None-Match', () => {
  test.each(['W/"j1"', '"j1"', '*', '"other", W/"j1"', 'W/"j0",W/"j1"'])('%s matches: 304', async (value) => {
    const response = await poll({ 'If-None-Match': value });
    expect(response.status).toBe(304);
    expect(await response.text()).toBe('');
    expect(response.headers.get('ETag')).toBe('W/"j1"');
    expect(response.headers.get('Cache-Control')).toBe('private, no-cache');
    expect(response.headers.get('Vary')).toBe('Authorization, X-Api-Key, Prefer, Accept');
    expect(response.headers.get('Retry-After')).toMatch(/^\d+$/);
    expect(response.headers.get('Access-Control-Allow-Origin')).toBe('*');
    expect(response.headers.get('X-Request-Id')).toBeTruthy();
    expect(response.headers.get('Content-Type')).toBeNull();
  });

  test.each(['W/"j2"', '"j11"', 'j1', '""'])('%s does not: 200', async (value) => {
    expect((await poll({ 'If-None-Match': value })).status).toBe(200);
  });

  test('a change ends the 304s', async () => {
    const attempt = await claim(service, job.id);
    const response = await poll({ 'If-None-Match': 'W/"j1"' });
    expect(response.status).toBe(200);
    expect(response.headers.get('ETag')).toBe('W/"j2"');
    await service.state.updateJob(job.id, { type: 'heartbeat', attempt });
    expect((await poll({ 'If-None-Match': 'W/"j2"' })).status).toBe(304);
  });

  test('a 304 asks neither the queue nor the object store', async () => {
    const refuse = () => Promise.reject(new Error('asked'));
    const { state, objects, queue } = service;
    const bare = await createService({
      state,
      queue: { ...queue, depth: refuse },
      objects: { ...objects, head: refuse },
    });
    const headers = { 'If-None-Match': 'W/"j1"' };
    expect((await bare.call('GET', `/v1/jobs/${job.id}`, { headers })).status).toBe(304);
    expect(bare.lines).toEqual([]);
    // Without the estimate the poll still works.
    const full = await bare.call('GET', `/v1/jobs/${job.id}`);
    expect(full.status).toBe(200);
    expect(await full.json()).not.toHaveProperty('queue');
    expect(bare.lines.join()).toContain('estimate-failed');
    await bare.close();
  });

  test('HEAD has the same headers', async () => {
    const response = await service.call('HEAD', `/v1/jobs/${job.id}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('ETag')).toBe('W/"j1"');
    expect(await response.text()).toBe('');
  });
});

describe('GET /v1/jobs', () => {
  test('pages through all jobs, newest first, by the Link header', async () => {
    const ids = [job.id];
    const uploadId = await upload(service);
    for (let i = 0; i < 4; i++) {
      service.clock.advance(1);
      ids.unshift((await submit(service, uploadId)).id);
    }
    const seen: string[] = [];
    let next: string | undefined = 'http://localhost/v1/jobs?limit=2';
    for (let pages = 0; next && pages < 10; pages++) {
      const response: Response = await service.call('GET', next);
      expect(response.status).toBe(200);
      const body = await bodyOf<JobList>(response);
      for (const each of body.data) seen.push(jobSchema.parse(each).id);
      next = response.headers.get('Link')?.match(/^<([^>]+)>; rel="next"$/)?.[1];
      expect(next === undefined).toBe(body.next_cursor === undefined);
    }
    expect(seen).toEqual(ids);
  });

  test('the next link keeps the filter', async () => {
    for (let i = 0; i < 2; i++) await submit(service, undefined, { client_reference: 'a b&c' });
    const response = await service.call('GET', '/v1/jobs?limit=1&client_reference=a%20b%26c');
    const link = response.headers.get('Link')!.match(/<([^>]+)>/)![1]!;
    expect(new URL(link).searchParams.get('client_reference')).toBe('a b&c');
    expect((await bodyOf<JobList>(service.call('GET', link))).data).toHaveLength(1);
  });

  test('filters by status and client_reference; deleted jobs are not listed', async () => {
    const mine = await submit(service, undefined, { client_reference: 'x' });
    await succeed(service, job.id);
    const list = async (query: string) =>
      (await bodyOf<JobList>(service.call('GET', `/v1/jobs?${query}`))).data.map(({ id }) => id);
    expect(await list('status=succeeded')).toEqual([job.id]);
    expect(await list('client_reference=x')).toEqual([mine.id]);
    expect(await list('client_reference=y')).toEqual([]);
    await service.call('DELETE', `/v1/jobs/${job.id}`);
    expect(await list('status=succeeded')).toEqual([]);
  });

  test.each([
    ['limit=0', '#/limit'],
    ['limit=101', '#/limit'],
    ['limit=ten', '#/limit'],
    ['status=done', '#/status'],
    ['stauts=queued', '#/stauts'],
    ['status=queued&status=failed', '#/status'],
  ])('422 for ?%s', async (query, pointer) => {
    const response = await service.call('GET', `/v1/jobs?${query}`);
    expect(response.status).toBe(422);
    expect((await problemOf(response)).errors?.[0]?.pointer).toBe(pointer);
  });

  test('400 for a cursor that is not ours', async () => {
    expect((await service.call('GET', '/v1/jobs?cursor=nonsense')).status).toBe(400);
  });
});
