import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventStream, type Message } from '../../../../functions/api/event-stream.ts';
import { MAX_STREAMS } from '../../../../shared/limits.ts';
import { rateLimitsSchema } from '../../../../shared/rate-limits.ts';
import { bodyOf, createService, problemOf, type Service, submit, upload } from '../../../support/service.ts';

/** As many as one process keeps open. */
const MOST = MAX_STREAMS;

let service: Service;
const open: Response[] = [];
beforeEach(async () => {
  service = await createService();
});
afterEach(async () => {
  for (const { body } of open.splice(0)) await body?.cancel();
  await service.close();
});

const linkOf = async (id: string, key = service.secret) =>
  (await bodyOf<{ url: string }>(service.call('GET', `/v1/jobs/${id}/events_link`, { key }))).url;
const jobOf = async (key: string) => {
  const json = { input: { upload_id: await upload(service, undefined, key) } };
  return (await bodyOf<{ id: string }>(service.call('POST', '/v1/jobs', { json, key }))).id;
};
/** Follows until it is refused; how many streams that were, and the refusal. */
async function followAll(url: string): Promise<[count: number, refusal: Response]> {
  for (let count = 0; ; count++) {
    const response = await service.app.request(url);
    if (response.status !== 200) return [count, response];
    open.push(response);
  }
}

test('one link, one account and the process have their bounds, and there is room for others', async () => {
  const other = (await service.newKey('acc_two')).secret;
  const url = await linkOf((await submit(service)).id);
  const [ofLink, refused] = await followAll(url);
  expect(ofLink).toBe(MOST / 5);
  expect(refused.headers.get('Retry-After')).toBe('5');
  expect(await problemOf(refused)).toMatchObject({ status: 429, 'violated-policies': ['streams'], retryable: true });
  for (let i = 0; i < 8; i++) await followAll(await linkOf((await submit(service)).id));
  expect(open.length).toBeLessThanOrEqual(MOST / 2);
  const [ofOther] = await followAll(await linkOf(await jobOf(other), other));
  expect(ofOther).toBeGreaterThanOrEqual(MOST / 10);
  // Places come back when their holders have gone.
  await open.shift()!.body!.cancel();
  const [again] = await followAll(url);
  expect(again).toBe(0);
  for (const { body } of open.splice(0)) await body?.cancel();
  expect((await followAll(url))[0]).toBe(MOST / 5);
});

describe('HEAD', () => {
  test('answers with the headers and takes no place', async () => {
    const job = await submit(service);
    const url = await linkOf(job.id);
    for (let i = 0; i < MOST + 10; i++) {
      const response = await service.app.request(url, { method: 'HEAD' });
      expect(response.status).toBe(200);
      expect(response.headers.get('Content-Type')).toBe('text/event-stream');
      expect(response.body).toBeNull();
    }
    const byKey = await service.call('HEAD', `/v1/jobs/${job.id}/events`);
    expect(byKey.status).toBe(200);
    expect((await followAll(url))[0]).toBe(MOST / 5);
  });

  test('is refused where GET would be', async () => {
    const job = await submit(service);
    const url = await linkOf(job.id);
    expect((await service.app.request(`${url}x`, { method: 'HEAD' })).status).toBe(403);
    await service.call('POST', `/v1/jobs/${job.id}/cancel`);
    const headers = { 'Last-Event-ID': '2' };
    expect((await service.app.request(url, { method: 'HEAD', headers })).status).toBe(204);
  });
});

describe('a stream that nobody reads', () => {
  async function* endless(): AsyncGenerator<Message> {
    for (let i = 0; ; i++) yield { event: 'status', id: String(i), data: '{}' };
  }

  test('gives its place back', async () => {
    let ends = 0;
    const onEnd = () => ends++;
    const never = eventStream(endless(), { onEnd, unreadMilliseconds: 20 });
    const once = eventStream(endless(), { onEnd, unreadMilliseconds: 20 }).getReader();
    expect(new TextDecoder().decode((await once.read()).value)).toBe('event: status\nid: 0\ndata: {}\n\n');
    await expect.poll(() => ends).toBe(2);
    await expect(never.getReader().read()).rejects.toThrow('Nobody reads');
    await expect(once.read()).rejects.toThrow('Nobody reads');
    expect(ends).toBe(2);
  });

  test('asks for nothing', async () => {
    let asked = 0;
    async function* counted(): AsyncGenerator<Message> {
      for (; ; asked++) yield {};
    }
    const stream = eventStream(counted(), { onEnd: () => {} });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(asked).toBe(0);
    await stream.cancel();
  });
});

test('a link is limited in its rate, apart from the key that it is of', async () => {
  const burst = { quota: 5, window_seconds: 10 };
  const limited = await createService({ rateLimits: rateLimitsSchema.parse({ burst }) });
  const { id } = await submit(limited); // two requests
  const { url } = await bodyOf<{ url: string }>(limited.call('GET', `/v1/jobs/${id}/events_link`));
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) {
    const response = await limited.app.request(url, { method: i % 2 ? 'HEAD' : 'GET' });
    statuses.push(response.status);
    await response.body?.cancel();
    if (response.status === 429) {
      expect(response.headers.get('Retry-After')).toBe('2');
      expect(response.headers.get('RateLimit')).toBe('"burst";r=0;t=2');
    }
  }
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
  expect((await limited.call('GET', '/v1/jobs')).status).toBe(200);
  await limited.close();
});
