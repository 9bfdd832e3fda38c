import { afterEach, expect, test } from 'vitest';
import { bodyOf, createService, problemOf, type Service, submit } from '../support/service.ts';

/** As many as one process keeps open (functions/api/job-events.ts). */
const MOST = 500;

let service: Service;
const open: Response[] = [];
afterEach(async () => {
  for (const { body } of open.splice(0)) await body?.cancel();
  await service.close();
});

test('more streams than there may be are asked to come again, and get in when others have gone', async () => {
  service = await createService();
  const { id } = await submit(service);
  const { url } = await bodyOf<{ url: string }>(service.call('GET', `/v1/jobs/${id}/events_link`));
  const follow = () => service.app.request(url);
  for (let count = 0; count < MOST; count++) open.push(await follow());
  expect(new Set(open.map(({ status }) => status))).toEqual(new Set([200]));
  const refused = await follow();
  expect(refused.headers.get('Retry-After')).toBe('5');
  expect(await problemOf(refused)).toMatchObject({ status: 503, code: 'unavailable', retryable: true });
  await open.pop()!.body!.cancel();
  await expect
    .poll(async () => {
      const next = await follow();
      if (next.status === 200) open.push(next);
      return next.status;
    })
    .toBe(200);
});
