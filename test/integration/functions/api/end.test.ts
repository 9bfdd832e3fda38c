import { beforeEach, describe, expect, test } from 'vitest';
import { type JobView, jobSchema, outputLinkSchema, photoLinkSchema } from '../../../../shared/api.ts';
import { AppError } from '../../../../shared/error.ts';
import { DOWNLOAD_URL_SECONDS } from '../../../../shared/limits.ts';
import {
  announce,
  bodyOf,
  claim,
  createService,
  pngOf,
  problemOf,
  putOutput,
  serviceForEach,
  submit,
  succeed,
  upload,
} from '../../../support/service.ts';

const service = serviceForEach();
let job: JobView;
beforeEach(async () => {
  job = await submit(service, undefined, { retention_hours: 2 });
});

const cancel = () => service.call('POST', `/v1/jobs/${job.id}/cancel`);
const erase = () => service.call('DELETE', `/v1/jobs/${job.id}`);
const output = (query = '') => service.call('GET', `/v1/jobs/${job.id}/output${query}`);

describe('POST /v1/jobs/{id}/cancel', () => {
  test('200 while it waits, and again', async () => {
    for (let i = 0; i < 2; i++) {
      const response = await cancel();
      expect(response.status).toBe(200);
      const body = jobSchema.parse(await response.json());
      expect(body).toMatchObject({ status: 'canceled', terminal: true, charge: { state: 'released' } });
    }
  });

  test('202 while it runs: the worker is told', async () => {
    const attempt = await claim(service, job.id);
    for (let i = 0; i < 2; i++) {
      const response = await cancel();
      expect(response.status).toBe(202);
      expect(response.headers.get('Location')).toBe(job.links.self);
      expect(response.headers.get('Retry-After')).toBe('1');
      expect(await response.json()).toMatchObject({ status: 'starting', cancel_requested: true, terminal: false });
    }
    await service.state.updateJob(job.id, { type: 'give_back', attempt });
    expect((await cancel()).status).toBe(200);
  });

  test('erases the output of an attempt that was given back', async () => {
    const attempt = await claim(service, job.id);
    const key = await putOutput(service, job.id);
    await service.state.updateJob(job.id, { type: 'give_back', attempt });
    expect((await cancel()).status).toBe(200);
    expect(await service.objects.head(key)).toBeNull();
  });

  test('409 when it has finished', async () => {
    await succeed(service, job.id);
    const response = await cancel();
    expect(response.status).toBe(409);
    expect((await problemOf(response)).code).toBe('already-finished');
  });
});

describe('DELETE /v1/jobs/{id}', () => {
  test('409 while it is not terminal', async () => {
    const response = await erase();
    expect(response.status).toBe(409);
    expect((await problemOf(response)).code).toBe('not-finished');
  });

  test('204 erases output and input; the ledger stays', async () => {
    const { key } = await succeed(service, job.id);
    const { input_key } = (await service.state.getJob(job.id))!;
    const response = await erase();
    expect(response.status).toBe(204);
    expect(await response.text()).toBe('');
    expect(await service.objects.head(key)).toBeNull();
    expect(await service.objects.head(input_key)).toBeNull();
    expect(await service.state.getUpload(job.upload_id)).toBeNull();
    const stored = (await service.state.getJob(job.id))!;
    expect(stored.purged_at).toBeDefined();
    expect(stored).not.toHaveProperty('output');
    expect((await service.state.listLedger({ account: 'acc_one', job_id: job.id })).map(({ kind }) => kind)).toEqual([
      'reserve',
      'capture',
    ]);
    for (const call of [erase, cancel, output]) expect((await call()).status).toBe(410);
  });

  test('erases the output of every attempt, not only of the last', async () => {
    await service.state.updateJob(job.id, { type: 'give_back', attempt: await claim(service, job.id) });
    const attempt = await claim(service, job.id);
    const first = (await putOutput(service, job.id)).replace('/2.', '/1.');
    await service.objects.put(first, new Blob(['x']).stream(), { contentType: 'image/png' });
    await service.state.updateJob(job.id, { type: 'fail', attempt, error: new AppError('engine-failed', 'No.') });
    expect((await erase()).status).toBe(204);
    expect(await service.objects.head(first)).toBeNull();
    expect(await service.objects.head(first.replace('/1.', '/2.'))).toBeNull();
  });

  test('keeps the input while another job has it', async () => {
    const other = await submit(service, job.upload_id);
    await cancel();
    expect((await erase()).status).toBe(204);
    const { input_key } = (await service.state.getJob(other.id))!;
    expect(await service.objects.head(input_key)).not.toBeNull();
    await service.call('POST', `/v1/jobs/${other.id}/cancel`);
    expect((await service.call('DELETE', `/v1/jobs/${other.id}`)).status).toBe(204);
    expect(await service.objects.head(input_key)).toBeNull();
  });

  test('204 also when the store does not answer: nobody can reach the objects, and the reaper erases them', async () => {
    const { state, objects } = service;
    await succeed(service, job.id);
    const broken = await createService({
      state,
      objects: { ...objects, delete: () => Promise.reject(new Error('no store')) },
    });
    expect((await broken.call('DELETE', `/v1/jobs/${job.id}`)).status).toBe(204);
    expect((await output()).status).toBe(410);
    const stored = (await state.getJob(job.id))!;
    expect(stored.purged_at).toBeUndefined();
    expect((await state.listDueJobs(10)).map(({ id }) => id)).toContain(job.id);
    await broken.close();
  });
});

describe('GET /v1/jobs/{id}/output', () => {
  test('409 with Retry-After while it is not ready', async () => {
    const response = await output();
    expect(response.status).toBe(409);
    expect(response.headers.get('Retry-After')).toBe('1');
    expect(await problemOf(response)).toMatchObject({ code: 'not-finished', retryable: true });
  });

  test('302 to a signed URL that no cache keeps', async () => {
    await succeed(service, job.id);
    const response = await output();
    expect(response.status).toBe(302);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    const url = new URL(response.headers.get('Location')!);
    expect(url.origin).toBe('http://localhost');
    expect(url.href).not.toContain(service.secret);
    expect((await output('?redirect=true')).status).toBe(302);
  });

  test('?redirect=false tells the URL, and never for longer than the result is kept', async () => {
    await succeed(service, job.id);
    const first = outputLinkSchema.parse(await (await output('?redirect=false')).json());
    expect(first).toMatchObject({ bytes: 10, mime: 'image/png', sha256: 'ab'.repeat(32) });
    expect(Date.parse(first.expires_at)).toBe(service.now() + DOWNLOAD_URL_SECONDS * 1000);
    service.clock.advance(1.5 * 3600);
    const second = outputLinkSchema.parse(await (await output('?redirect=false')).json());
    expect(Date.parse(second.expires_at)).toBe(service.now() + 0.5 * 3_600_000);
  });

  test('422 for another value of redirect', async () => {
    await succeed(service, job.id);
    expect((await output('?redirect=no')).status).toBe(422);
  });

  test('409 for a job that failed or was canceled', async () => {
    await cancel();
    expect((await problemOf(await output())).code).toBe('no-output');
    const other = await submit(service, await upload(service));
    const error = new AppError('engine-failed', 'NaN in the output.');
    await service.state.updateJob(other.id, { type: 'fail', attempt: await claim(service, other.id), error });
    const response = await service.call('GET', `/v1/jobs/${other.id}/output`);
    expect(response.status).toBe(409);
    expect(response.headers.get('Retry-After')).toBeNull();
    expect((await problemOf(response)).code).toBe('no-output');
  });

  test('410 once its time is over, before and after the reaper came', async () => {
    await succeed(service, job.id);
    service.clock.advance(2 * 3600);
    expect((await output()).status).toBe(410);
    await service.state.updateJob(job.id, { type: 'purge' });
    expect((await output()).status).toBe(410);
    const body = await bodyOf<JobView>(service.call('GET', `/v1/jobs/${job.id}`));
    expect(body.status).toBe('succeeded');
    expect(body).not.toHaveProperty('output');
  });
});

describe('GET /v1/jobs/{id}/photo', () => {
  const photo = (id: string, query = '') => service.call('GET', `/v1/jobs/${id}/photo${query}`);

  test('a signed URL, by redirect or told; gone with the job', async () => {
    const response = await photo(job.id);
    expect(response.status).toBe(302);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    const link = photoLinkSchema.parse(await (await photo(job.id, '?redirect=false')).json());
    expect(link).toMatchObject({ bytes: job.input!.bytes, url: response.headers.get('Location') });
    await cancel();
    expect((await erase()).status).toBe(204);
    expect((await photo(job.id)).status).toBe(410);
  });

  test('409 while it was not sent', async () => {
    const waiting = await submit(service, await announce(service, await pngOf(20, 10)));
    const response = await photo(waiting.id);
    expect(await problemOf(response)).toMatchObject({ status: 409, code: 'not-finished' });
    expect(response.headers.get('Retry-After')).toBe('1');
  });
});
