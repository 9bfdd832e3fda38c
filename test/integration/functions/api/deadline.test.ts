import { expect, test } from 'vitest';
import { reap } from '../../../../functions/reap/reap.ts';
import type { JobView } from '../../../../shared/api.ts';
import { LEASE_SECONDS, RESEND_SECONDS } from '../../../../shared/limits.ts';
import {
  announce,
  bodyOf,
  claim,
  pngOf,
  problemOf,
  serviceForEach,
  succeed,
  upload,
} from '../../../support/service.ts';

const service = serviceForEach();

const submitWithin = (deadline: string, uploadId: string) =>
  service.call('POST', '/v1/jobs', {
    json: { input: { upload_id: uploadId } },
    headers: { 'Cancel-After': deadline },
  });
const submitted = async (deadline: string) => bodyOf<JobView>(submitWithin(deadline, await upload(service)));
const view = (id: string) => bodyOf<JobView>(service.call('GET', `/v1/jobs/${id}`));
const sweep = () => reap(service);

test.each([
  ['10m', 600],
  ['30s', 30],
  ['1h', 3600],
  ['45', 45],
])('Cancel-After %s is told as a time', async (header, seconds) => {
  const { cancel_at } = await submitted(header);
  expect(Date.parse(cancel_at!) - service.now()).toBe(seconds * 1000);
});

test.each(['4s', '25h', '0', '10 m', '-5', 'soon', '1d'])('Cancel-After %s is refused', async (header) => {
  const response = await submitWithin(header, await upload(service));
  expect(await problemOf(response)).toMatchObject({ status: 400, code: 'malformed' });
});

test('a job that nobody has started by then expires, free', async () => {
  const queued = await submitted('10m');
  const file = await pngOf(20, 10);
  const awaiting = await bodyOf<JobView>(submitWithin('10m', await announce(service, file)));
  service.clock.advance(599);
  await sweep();
  expect((await view(queued.id)).status).toBe('queued');
  service.clock.advance(1);
  await sweep();
  expect(await view(queued.id)).toMatchObject({ status: 'expired', charge: { state: 'released' } });
  expect((await view(awaiting.id)).status).toBe('expired');
  await expect(claim(service, queued.id)).rejects.toThrow('expired');
});

test('a worker that takes it too late finds it expired', async () => {
  const job = await submitted('10m');
  service.clock.advance(600);
  await claim(service, job.id);
  expect(await view(job.id)).toMatchObject({ status: 'expired', attempt: 0 });
});

test('a job that runs is canceled then', async () => {
  const job = await submitted('10m');
  service.clock.advance(590);
  const attempt = await claim(service, job.id);
  service.clock.advance(10);
  await sweep();
  expect(await view(job.id)).toMatchObject({ status: 'starting', cancel_requested: true });
  await service.state.updateJob(job.id, { type: 'give_back', attempt });
  expect(await view(job.id)).toMatchObject({ status: 'canceled', charge: { state: 'released' } });
});

test('a job whose worker was lost is canceled all the same', async () => {
  const job = await submitted('10m');
  await claim(service, job.id);
  service.clock.advance(600 + LEASE_SECONDS + RESEND_SECONDS);
  await sweep(); // asks to cancel
  await sweep(); // sends it again
  await service.state.updateJob(job.id, { type: 'claim' });
  expect((await view(job.id)).status).toBe('canceled');
});

test('a job that ended in time stays as it is', async () => {
  const job = await submitted('10m');
  await succeed(service, job.id);
  service.clock.advance(601);
  await sweep();
  expect((await view(job.id)).status).toBe('succeeded');
});
