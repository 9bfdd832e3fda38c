import { describe, expect, test } from 'vitest';
import { reap } from '../../../../functions/reap/reap.ts';
import type { JobView } from '../../../../shared/api.ts';
import {
  FILE_LOOK_SECONDS,
  MAX_FILE_LOOK_SECONDS,
  RESEND_SECONDS,
  UPLOAD_URL_SECONDS,
} from '../../../../shared/limits.ts';
import { announce, bodyOf, pngOf, serviceForEach, submit } from '../../../support/service.ts';

/** A file that a store takes without a word, as S3 does: who looks for it, and when. */

const service = serviceForEach();

const statusOf = async (id: string) => (await service.state.getJob(id))!.status;
/** A job that awaits its file, and a function that puts it there behind everybody's back. */
async function awaiting(more: object = {}) {
  const file = await pngOf(10, 10);
  const uploadId = await announce(service, file);
  const job = await submit(service, uploadId, more);
  const { key } = (await service.state.getUpload(uploadId))!;
  return {
    job,
    arrive: () => service.objects.put(key, new Blob([new Uint8Array(file)]).stream(), { contentType: 'image/png' }),
  };
}

describe('a reader of the job finds that its file has come', () => {
  test('a poll, also one that knows the version before', async () => {
    const { job, arrive } = await awaiting();
    const poll = (etag = '') => service.call('GET', `/v1/jobs/${job.id}`, { headers: { 'If-None-Match': etag } });
    const before = await poll();
    expect(await bodyOf<JobView>(before)).toMatchObject({ status: 'awaiting_upload' });
    const etag = before.headers.get('ETag')!;
    expect((await poll(etag)).status).toBe(304);
    await arrive();
    const after = await poll(etag);
    expect(after.status).toBe(200);
    expect(await bodyOf<JobView>(after)).toMatchObject({ status: 'queued', charge: { state: 'reserved' } });
    expect((await service.queue.depth()).visible).toBe(1);
  });

  test('a wait', async () => {
    const { job, arrive } = await awaiting();
    const [response] = await Promise.all([
      service.call('POST', '/v1/jobs', {
        json: { input: { upload_id: (await service.state.getJob(job.id))!.upload_id } },
        headers: { Prefer: 'wait=2' },
      }),
      arrive(),
    ]);
    expect(response.status).toBe(202);
    expect(await statusOf(job.id)).toBe('queued');
  });

  test('a stream of events', async () => {
    const { job, arrive } = await awaiting();
    const response = await service.call('GET', `/v1/jobs/${job.id}/events`);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    await arrive();
    let text = '';
    while (!text.includes('"status":"queued"')) text += (await reader.read()).value ?? '';
    await reader.cancel();
    expect(await statusOf(job.id)).toBe('queued');
  });

  test('and an error of the look does not matter', async () => {
    const { job } = await awaiting();
    const { head } = service.objects;
    service.objects.head = () => Promise.reject(new Error('no store'));
    const response = await service.call('GET', `/v1/jobs/${job.id}`);
    service.objects.head = head;
    expect(await bodyOf<JobView>(response)).toMatchObject({ status: 'awaiting_upload' });
    expect(service.lines.join()).toContain('look.failed');
  });
});

describe('the reaper looks, where nobody does', () => {
  test.each([
    ['soon', 1, FILE_LOOK_SECONDS],
    ['within half a minute, however late it comes', 300, MAX_FILE_LOOK_SECONDS],
    ['within half a minute, at the very end', UPLOAD_URL_SECONDS, MAX_FILE_LOOK_SECONDS],
  ])('%s', async (_, after, within) => {
    const { job, arrive } = await awaiting();
    for (let passed = 0; passed < after; passed++) {
      service.clock.advance(1);
      await reap(service);
    }
    await arrive();
    for (let passed = 0; passed < within; passed++) {
      service.clock.advance(1);
      await reap(service);
    }
    expect(await statusOf(job.id)).toBe('queued');
  });

  test('ever more rarely, and until its time is over', async () => {
    const { job } = await awaiting();
    let looks = 0;
    const { head } = service.objects;
    service.objects.head = (key) => {
      looks++;
      return head(key);
    };
    for (let passed = 0; passed < UPLOAD_URL_SECONDS + RESEND_SECONDS; passed++) {
      expect(await statusOf(job.id)).toBe('awaiting_upload');
      service.clock.advance(1);
      await reap(service);
    }
    expect(await statusOf(job.id)).toBe('expired');
    expect(looks).toBeGreaterThan(20);
    expect(looks).toBeLessThan(40);
  });

  test('for all jobs of one file, in a batch or with a deadline', async () => {
    const { job, arrive } = await awaiting();
    const { upload_id } = (await service.state.getJob(job.id))!;
    const items = [{ input: { upload_id } }, { input: { upload_id }, scale: 2 }];
    await service.call('POST', '/v1/batches', { json: { items } });
    await service.call('POST', '/v1/jobs', { json: { input: { upload_id } }, headers: { 'Cancel-After': '5m' } });
    await arrive();
    service.clock.advance(FILE_LOOK_SECONDS);
    expect(await reap(service)).toMatchObject({ errors: 0 });
    const { jobs } = await service.state.listJobs({ account: 'acc_one', limit: 10, upload_id });
    expect(jobs.map(({ status }) => status)).toEqual(Array(4).fill('queued'));
  });
});
