import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createEngine } from '../../../../gpu-worker/engine.ts';
import { runWorker } from '../../../../gpu-worker/worker/worker.ts';
import type { JobView } from '../../../../shared/api.ts';
import { DEFAULT_LIMITS } from '../../../../shared/limits.ts';
import { modelsNamed } from '../../../../shared/methods/registry.ts';
import { PRICE_LISTS } from '../../../../shared/pricing.ts';
import { buildRecorded } from '../../../support/recorded-models.ts';
import { announce, bodyOf, createService, problemOf, type Service, upload } from '../../../support/service.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-tags-'));
  await buildRecorded(directory, 'seesr-turbo');
});
afterAll(() => rm(directory, { recursive: true }));

let service: Service;
afterEach(() => service.close());

const ask = (upload_id: string, headers: Record<string, string> = {}) =>
  service.call('POST', '/v1/tags', { json: { upload_id }, headers });

describe('POST /v1/tags', () => {
  test('tells the tags of the model, for nothing, and makes no picture', async () => {
    service = await createService({
      installedModels: modelsNamed(['seesr-turbo', 'real-esrgan']),
      prices: PRICE_LISTS.standard,
    });
    const { state, objects, queue, log } = service;
    const engine = createEngine({ device: 'cpu', modelsDirectory: directory, log });
    const drain = new AbortController();
    const options = { state, objects, queue, engine, limits: DEFAULT_LIMITS, scratchDirectory: directory, log };
    const worker = runWorker({ ...options, pulseMilliseconds: 20 }, drain.signal);
    const dog = await readFile(new URL('../../../../local/demo-photo/dog.jpg', import.meta.url));
    const photo = await sharp(dog).resize(60, 40, { fit: 'fill' }).png().toBuffer();
    const response = await ask(await upload(service, photo), { Prefer: 'wait=60' });
    drain.abort();
    await worker;
    await engine.close();

    expect(response.status).toBe(200);
    const { tags, image, job_id } = await bodyOf<
      { tags: { name: string; score: number; threshold: number }[] } & Record<string, unknown>
    >(response);
    expect(image).toEqual({ width: 60, height: 40 });
    expect(tags.length).toBeGreaterThan(0);
    for (const { score, threshold } of tags) expect(score).toBeGreaterThan(threshold);
    const job = await bodyOf<JobView>(service.call('GET', `/v1/jobs/${job_id}`));
    expect(job).toMatchObject({ status: 'succeeded', task: 'tags', charge: { amount: 0 }, description: { tags } });
    expect(job.output).toBeUndefined();
    const output = await service.call('GET', `/v1/jobs/${job_id}/output`);
    expect(await problemOf(output)).toMatchObject({ status: 409, code: 'no-output' });
  });

  test('answers with the job while no worker comes to it', async () => {
    service = await createService({ installedModels: modelsNamed(['seesr-turbo', 'real-esrgan']) });
    const response = await ask(await upload(service), { Prefer: 'wait=1' });
    expect(response.status).toBe(202);
    const job = await bodyOf<JobView>(response);
    expect(response.headers.get('Location')).toBe(job.links.self);
    expect(job).toMatchObject({ status: 'queued', task: 'tags', parameters: { model: 'seesr-turbo' } });
  });

  test('a repeat with the same Idempotency-Key waits for the same job, and costs no second one', async () => {
    service = await createService({ installedModels: modelsNamed(['seesr-turbo', 'real-esrgan']) });
    const { state } = service;
    const upload_id = await upload(service);
    const headers = { Prefer: 'wait=1', 'Idempotency-Key': '"a"' };
    const first = await bodyOf<JobView>(ask(upload_id, headers));
    const unfinished = await ask(upload_id, headers);
    expect([unfinished.status, unfinished.headers.get('Idempotent-Replayed')]).toEqual([202, 'true']);
    expect((await bodyOf<JobView>(unfinished)).id).toBe(first.id);
    const { attempt } = await state.updateJob(first.id, { type: 'claim' });
    const description = { prompt: '', truncated: false, tags: [{ name: 'dog', score: 0.9, threshold: 0.5 }] };
    await state.updateJob(first.id, { type: 'succeed', attempt, notes: [], description });
    const repeat = await ask(upload_id, headers);
    expect(repeat.status).toBe(200);
    expect(await bodyOf(repeat)).toMatchObject({ job_id: first.id, tags: [{ name: 'dog' }] });
    expect((await state.listJobs({ account: 'acc_one', limit: 9, idempotency_key: 'a' })).jobs).toHaveLength(1);
    const other = await ask(await upload(service), headers);
    expect(await problemOf(other)).toMatchObject({ status: 422, code: 'idempotency-key-reused' });

    // Nothing was made, so that there is nothing to have a receipt for.
    const receipt = await problemOf(await service.call('GET', `/v1/jobs/${first.id}/receipt`));
    expect(receipt).toMatchObject({ status: 409, code: 'no-output', charged: false });
    expect(receipt.detail).toContain('looked for tags');
    await service.call('DELETE', `/v1/jobs/${first.id}`);
    expect((await ask(upload_id, headers)).status).toBe(410);
  });

  test('refuses without a diffusion model, without the file, and with an unknown upload', async () => {
    service = await createService();
    const id = await upload(service);
    expect(await problemOf(await ask(id))).toMatchObject({ status: 422, code: 'model-unavailable' });
    await service.close();
    service = await createService({ installedModels: modelsNamed(['seesr', 'real-esrgan']) });
    const later = await announce(service, new Uint8Array(10));
    expect(await problemOf(await ask(later))).toMatchObject({ status: 409, code: 'conflict' });
    const unknown = await problemOf(await ask('upl_00000000000000000000000000'));
    expect(unknown).toMatchObject({ status: 404, errors: [{ pointer: '#/upload_id' }] });
  });
});
