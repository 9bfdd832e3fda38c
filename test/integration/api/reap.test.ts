import { describe, expect, test } from 'vitest';
import { reap } from '../../functions/reap/reap.ts';
import {
  LEASE_SECONDS,
  MAX_RECEIVES,
  RESEND_SECONDS,
  UPLOAD_RETENTION_SECONDS,
  UPLOAD_URL_SECONDS,
  VISIBILITY_SECONDS,
} from '../../shared/limits.ts';
import { announce, claim, createService, pngOf, send, serviceForEach, submit, succeed } from '../support/service.ts';

const service = serviceForEach();

const receive = () => service.queue.receive({ visibilitySeconds: VISIBILITY_SECONDS, waitSeconds: 0 });
const statusOf = async (id: string) => (await service.state.getJob(id))!.status;

/** A job that was stored but never sent, as after a crash between the two. */
async function unsent() {
  const { queue, state, objects } = service;
  const broken = await createService({
    state,
    objects,
    queue: { ...queue, send: () => Promise.reject(new Error('crash')) },
    now: service.now,
  });
  const job = await submit(broken);
  await broken.close();
  return job;
}

describe('a job that awaits its upload', () => {
  test('is queued when the upload came without anybody noticing', async () => {
    const file = await pngOf(10, 10);
    const uploadId = await announce(service, file);
    const job = await submit(service, uploadId);
    await send(service, uploadId, file);
    await reap(service);
    expect(await statusOf(job.id)).toBe('awaiting_upload');
    service.clock.advance(UPLOAD_URL_SECONDS + RESEND_SECONDS);
    await reap(service);
    expect(await statusOf(job.id)).toBe('queued');
    expect(await receive()).toMatchObject({ jobId: job.id });
    expect(service.lines).toEqual([]);
  });

  test('expires without charge when it never came', async () => {
    const job = await submit(service, await announce(service, await pngOf(10, 10)));
    service.clock.advance(UPLOAD_URL_SECONDS + RESEND_SECONDS);
    await reap(service);
    expect(await service.state.getJob(job.id)).toMatchObject({ status: 'expired', charge: { state: 'released' } });
  });

  test('is left alone while the object store does not answer', async () => {
    const job = await submit(service, await announce(service, await pngOf(10, 10)));
    service.clock.advance(UPLOAD_URL_SECONDS + RESEND_SECONDS);
    const head = () => Promise.reject(new Error('no store'));
    await reap({ ...service, objects: { ...service.objects, head } });
    expect(await statusOf(job.id)).toBe('awaiting_upload');
    expect(service.lines.join()).toContain('reap-failed');
  });
});

describe('a job whose message may be lost', () => {
  test('is sent when it never was, and only once', async () => {
    const job = await unsent();
    await reap(service);
    expect(await receive()).toBeNull();
    service.clock.advance(RESEND_SECONDS);
    await reap(service);
    await reap(service);
    expect(await receive()).toMatchObject({ jobId: job.id, tenant: 'acc_one' });
    expect(await receive()).toBeNull();
  });

  test('is sent again when its lease is long over', async () => {
    const job = await submit(service);
    const message = await receive();
    await claim(service, job.id);
    await service.queue.delete(message!.receipt);
    service.clock.advance(LEASE_SECONDS);
    await reap(service);
    expect(await receive()).toBeNull();
    service.clock.advance(RESEND_SECONDS);
    await reap(service);
    expect(await receive()).toMatchObject({ jobId: job.id });
    expect(await claim(service, job.id)).toBe(2);
  });
});

describe('a job that has ended', () => {
  test('loses its result when its time is over, and stays readable', async () => {
    const job = await submit(service, undefined, { retention_hours: 1 });
    const { key } = await succeed(service, job.id);
    service.clock.advance(3599);
    await reap(service);
    expect(await service.objects.head(key)).not.toBeNull();
    service.clock.advance(1);
    await reap(service);
    expect(await service.objects.head(key)).toBeNull();
    expect(await service.state.getJob(job.id)).toMatchObject({ status: 'succeeded', purged_at: expect.any(String) });
    expect(await service.state.listDueJobs(10)).toEqual([]);
  });

  test('is erased when it was deleted but its objects are still there', async () => {
    const job = await submit(service);
    const { key } = await succeed(service, job.id);
    const { input_key } = await service.state.updateJob(job.id, { type: 'delete' });
    await reap(service);
    expect(await service.objects.head(key)).toBeNull();
    expect(await service.objects.head(input_key)).toBeNull();
    expect((await service.state.getJob(job.id))!.purged_at).toBeDefined();
  });
});

describe('dead letters', () => {
  /** Delivers the job's message until it is moved to the dead letters. */
  async function wearOut() {
    for (let i = 0; i < MAX_RECEIVES; i++) {
      await receive();
      service.clock.advance(VISIBILITY_SECONDS + 1);
    }
    expect(await receive()).toBeNull();
  }

  test('end their job without charge', async () => {
    const job = await submit(service);
    await wearOut();
    expect((await service.deadLetters.depth()).visible).toBe(1);
    await reap(service);
    expect(await service.state.getJob(job.id)).toMatchObject({
      status: 'failed',
      error: { code: 'worker-lost', charged: false },
      charge: { state: 'released' },
    });
    expect(await service.deadLetters.depth()).toEqual({ visible: 0, inFlight: 0 });
  });

  test('wait while an attempt still runs', async () => {
    const job = await submit(service);
    await wearOut();
    await claim(service, job.id);
    await reap(service);
    expect(await statusOf(job.id)).toBe('starting');
    expect(service.lines).toEqual([]);
    service.clock.advance(LEASE_SECONDS);
    await reap(service);
    expect(await statusOf(job.id)).toBe('failed');
    expect(await service.deadLetters.depth()).toEqual({ visible: 0, inFlight: 0 });
  });

  test('of a job that has ended, or that nobody knows, are thrown away', async () => {
    const job = await submit(service);
    await succeed(service, job.id);
    await service.deadLetters.send({ jobId: job.id, tenant: 'acc_one' });
    await service.deadLetters.send({ jobId: 'job_00000000000000000000000000', tenant: 'acc_one' });
    await reap(service);
    expect(await statusOf(job.id)).toBe('succeeded');
    expect(await service.deadLetters.depth()).toEqual({ visible: 0, inFlight: 0 });
  });
});

test('uploads that no job needs are erased after their time', async () => {
  const file = await pngOf(10, 10);
  const stale = await announce(service, file);
  await send(service, stale, file);
  const needed = await announce(service, file);
  await send(service, needed, file);
  await submit(service, needed);
  const { key } = (await service.state.getUpload(stale))!;
  service.clock.advance(UPLOAD_RETENTION_SECONDS + 1);
  await reap(service);
  expect(await service.state.getUpload(stale)).toBeNull();
  expect(await service.objects.head(key)).toBeNull();
  const kept = (await service.state.getUpload(needed))!;
  expect(await service.objects.head(kept.key)).not.toBeNull();
});

test('one bad job does not stop the sweep', async () => {
  const bad = await submit(service, undefined, { retention_hours: 1 });
  const good = await submit(service, undefined, { retention_hours: 1 });
  const { key } = await succeed(service, bad.id);
  await succeed(service, good.id);
  service.clock.advance(3600);
  const erase = service.objects.delete;
  const objects = {
    ...service.objects,
    delete: (each: string) => (each === key ? Promise.reject(new Error('stuck')) : erase(each)),
  };
  await reap({ ...service, objects });
  expect((await service.state.getJob(good.id))!.purged_at).toBeDefined();
  expect((await service.state.getJob(bad.id))!.purged_at).toBeUndefined();
  await reap(service);
  expect((await service.state.getJob(bad.id))!.purged_at).toBeDefined();
});
