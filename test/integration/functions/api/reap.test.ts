import { describe, expect, test } from 'vitest';
import { reap } from '../../../../functions/reap/reap.ts';
import { AppError } from '../../../../shared/error.ts';
import { createId } from '../../../../shared/id.ts';
import { outputKey } from '../../../../shared/job.ts';
import {
  LEASE_SECONDS,
  LOST_MESSAGE_SECONDS,
  MAX_QUEUED_SECONDS,
  MAX_RECEIVES,
  MAX_RETENTION_HOURS,
  RESEND_SECONDS,
  UPLOAD_RETENTION_SECONDS,
  UPLOAD_URL_SECONDS,
  VISIBILITY_SECONDS,
} from '../../../../shared/limits.ts';
import { SAMPLE_OUTPUT } from '../../../support/sample-job.ts';
import {
  announce,
  claim,
  createService,
  pngOf,
  send,
  serviceForEach,
  submit,
  succeed,
} from '../../../support/service.ts';

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

describe('a job whose message the queue forgot', () => {
  const balance = () => service.state.getBalance('acc_one');
  /** As a purge does, or four days without a worker. */
  async function forgotten() {
    const job = await submit(service);
    await service.queue.delete((await receive())!.receipt);
    return job;
  }

  test('is sent again, and again, until somebody takes it', async () => {
    const job = await forgotten();
    service.clock.advance(LOST_MESSAGE_SECONDS - 1);
    await reap(service);
    expect(await receive()).toBeNull();
    for (const seconds of [1, 2 * LOST_MESSAGE_SECONDS, 4 * LOST_MESSAGE_SECONDS]) {
      service.clock.advance(seconds);
      expect(await reap(service)).toMatchObject({ sent: 1, errors: 0 });
      expect(await reap(service)).toMatchObject({ sent: 0 });
      const message = await receive();
      expect(message).toMatchObject({ jobId: job.id, receiveCount: 1 });
      await service.queue.delete(message!.receipt);
    }
    service.clock.advance(8 * LOST_MESSAGE_SECONDS);
    await reap(service);
    await succeed(service, job.id);
    expect(await service.state.getJob(job.id)).toMatchObject({ status: 'succeeded', attempt: 1 });
  });

  test('is given up and refunded when nobody ever does', async () => {
    await service.state.topUp({ account: 'acc_one', amount: 1000, payment: 'first' });
    const before = await balance();
    const job = await forgotten();
    service.clock.advance(MAX_QUEUED_SECONDS - 1);
    expect(await reap(service)).toMatchObject({ ended: 0, sent: 1 });
    expect(await service.objects.head((await service.state.getJob(job.id))!.input_key)).not.toBeNull();
    service.clock.advance(1);
    expect(await reap(service)).toMatchObject({ ended: 1, sent: 0 });
    expect(await service.state.getJob(job.id)).toMatchObject({ status: 'failed', error: { code: 'unavailable' } });
    expect(await balance()).toBe(before);
  });

  test('is found by nobody twice: the second message ends where the job has ended', async () => {
    const job = await submit(service);
    service.clock.advance(LOST_MESSAGE_SECONDS);
    await reap(service);
    expect((await service.queue.depth()).visible).toBe(2);
    await succeed(service, job.id);
    await expect(claim(service, job.id)).rejects.toMatchObject({ code: 'already-finished' });
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
  const lostJobs = () => service.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'job.lost');

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
    expect(lostJobs()).toMatchObject([{ level: 'error', job_id: job.id }]);
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

  test('of a job that has ended, or that nobody knows, are thrown away, and no job counts as lost', async () => {
    const [succeeded, canceled, deleted, leaving] = [
      (await submit(service)).id,
      (await submit(service)).id,
      (await submit(service)).id,
      (await submit(service)).id,
    ];
    await succeed(service, succeeded);
    for (const id of [canceled, deleted]) await service.state.updateJob(id, { type: 'cancel' });
    await service.state.updateJob(deleted, { type: 'delete' });
    await claim(service, leaving);
    await service.state.updateJob(leaving, { type: 'cancel' });
    service.clock.advance(LEASE_SECONDS);
    for (const jobId of [succeeded, canceled, deleted, leaving, 'job_00000000000000000000000000']) {
      await service.deadLetters.send({ jobId, tenant: 'acc_one' });
    }
    await reap(service);
    expect(await statusOf(succeeded)).toBe('succeeded');
    expect(await statusOf(leaving)).toBe('canceled');
    expect(lostJobs()).toEqual([]);
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

describe('a sweep', () => {
  /** Jobs whose results have been kept for long enough. */
  async function endedLongAgo(count: number): Promise<void> {
    const { id } = await submit(service);
    const sample = (await service.state.getJob(id))!;
    for (let i = 0; i < count; i++) {
      const job = { ...sample, id: createId('job', service.now()) };
      await service.state.createJob(job);
      const { attempt } = await service.state.updateJob(job.id, { type: 'claim' });
      const output = { ...SAMPLE_OUTPUT, key: outputKey(job, attempt) };
      await service.state.updateJob(job.id, { type: 'succeed', attempt, output, notes: [] });
    }
    await service.state.updateJob(id, { type: 'cancel' });
    service.clock.advance(MAX_RETENTION_HOURS * 3600);
  }

  test('does everything that is overdue, however much it is', async () => {
    await endedLongAgo(1100);
    expect(await reap(service)).toMatchObject({ results: 1100, errors: 0 });
    expect(await service.state.listDueJobs(10)).toEqual([]);
  });

  test('does awaited work first, and leaves the rest when its time is over', async () => {
    await endedLongAgo(200);
    const lost = await submit(service);
    for (let i = 0; i < MAX_RECEIVES; i++) {
      while (await receive());
      service.clock.advance(VISIBILITY_SECONDS + 1);
    }
    while (await receive());
    const waiting = await unsent();
    service.clock.advance(RESEND_SECONDS);
    const stop = new AbortController();
    const { objects } = service;
    // The first old result is one that nobody waits for.
    const erase = async (key: string) => {
      stop.abort();
      await objects.delete(key);
    };
    const report = await reap({ ...service, objects: { ...objects, delete: erase } }, stop.signal);
    expect(await statusOf(lost.id)).toBe('failed');
    expect((await service.state.getJob(waiting.id))?.sent_at).toBeDefined();
    expect(report.results).toBeLessThan(200);
    expect((await reap(service)).results).toBe(200 - report.results);
  });

  test('passes over dead letters that are none of ours, and does the work of the others', async () => {
    const job = await unsent();
    service.clock.advance(RESEND_SECONDS);
    await service.deadLetters.send({ jobId: 'job_00000000000000000000000000', tenant: 'acc_one' });
    let foreign = 3;
    const receive: typeof service.deadLetters.receive = async (options) => {
      if (foreign-- > 0) throw new SyntaxError('This is no JSON.');
      return service.deadLetters.receive(options);
    };
    expect(await reap({ ...service, deadLetters: { ...service.deadLetters, receive } })).toMatchObject({ sent: 1 });
    expect(service.lines.filter((line) => line.includes('reap.foreign-message'))).toHaveLength(3);
    expect(await service.deadLetters.depth()).toEqual({ visible: 0, inFlight: 0 });
    expect((await service.state.getJob(job.id))?.sent_at).toBeDefined();
  });

  test.each([
    ['unavailable', () => new AppError('unavailable', 'The queue does not answer.')],
    ['nothing but foreign messages', () => new SyntaxError('This is no JSON.')],
  ])('does the rest of its work where the dead letters are %s, and tells it at the end', async (_, error) => {
    const job = await unsent();
    service.clock.advance(RESEND_SECONDS);
    const receive = () => Promise.reject(error());
    const sweep = reap({ ...service, deadLetters: { ...service.deadLetters, receive } });
    await expect(sweep).rejects.toThrow(error().message);
    expect((await service.state.getJob(job.id))?.sent_at).toBeDefined();
  });
});
