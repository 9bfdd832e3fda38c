import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { createWaitForEnd } from '../../../../functions/api/wait-for-end.ts';
import { uploadArrived } from '../../../../shared/admission.ts';
import { type JobView, uploadSchema } from '../../../../shared/api.ts';
import { UPLOAD_URL_SECONDS } from '../../../../shared/limits.ts';
import { modelsNamed } from '../../../../shared/methods/registry.ts';
import { flatPrices } from '../../../support/prices.ts';
import {
  announce,
  bodyOf,
  createService,
  pngOf,
  problemOf,
  send,
  serviceForEach,
  submit,
  succeed,
  upload,
} from '../../../support/service.ts';

const service = serviceForEach();

const post = (json: unknown, headers?: Record<string, string>) =>
  service.call('POST', '/v1/jobs', { json, ...(headers && { headers }) });
const receive = () => service.queue.receive({ visibilitySeconds: 90, waitSeconds: 0 });

describe('POST /v1/uploads', () => {
  test('answers with a signed request for exactly this file', async () => {
    const json = { bytes: 1234, content_type: 'image/jpeg' };
    const response = await service.call('POST', '/v1/uploads', { json });
    expect(response.status).toBe(201);
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    const body = uploadSchema.parse(await response.json());
    expect(body).toMatchObject({ method: 'PUT', max_bytes: 200_000, expires_at: '2026-01-01T00:15:00.000Z' });
    expect(body.id).toMatch(/^upl_/);
    expect(new URL(body.url).origin).toBe('http://localhost');
    const stored = await service.state.getUpload(body.id);
    expect(stored).toMatchObject({ account: 'acc_one', bytes: 1234, content_type: 'image/jpeg' });
  });

  test('413 beyond max_upload_bytes', async () => {
    const response = await service.call('POST', '/v1/uploads', { json: { bytes: 200_001, content_type: 'image/png' } });
    expect(response.status).toBe(413);
    expect((await problemOf(response)).detail).toContain('200001');
  });
});

describe('POST /v1/jobs', () => {
  test('202 with the job, where to find it and when to ask', async () => {
    const response = await post({ input: { upload_id: await upload(service) }, client_reference: 'holiday' });
    expect(response.status).toBe(202);
    const job = (await response.json()) as JobView;
    expect(response.headers.get('Location')).toBe(`http://localhost/v1/jobs/${job.id}`);
    expect(response.headers.get('Retry-After')).toBe('1');
    expect(response.headers.get('Vary')).toContain('Prefer');
    expect(response.headers.get('Content-Type')).toBe('application/json');
    expect(job).toEqual({
      id: job.id,
      status: 'queued',
      terminal: false,
      version: 1,
      attempt: 0,
      created_at: '2026-01-01T00:00:00.000Z',
      upload_id: job.upload_id,
      input: { width: 20, height: 10, bytes: job.input!.bytes, format: 'png' },
      parameters: {
        model: 'real-esrgan',
        scale: 4,
        seed: 0,
        format: 'png',
        quality: 90,
        metadata: 'keep',
        fidelity: 0,
        bit_depth: 8,
        color_fix: 'wavelet',
      },
      client_reference: 'holiday',
      charge: { state: 'reserved', amount: 0 },
      links: {
        self: `http://localhost/v1/jobs/${job.id}`,
        cancel: `http://localhost/v1/jobs/${job.id}/cancel`,
        events: `http://localhost/v1/jobs/${job.id}/events`,
      },
    });
    expect(await receive()).toMatchObject({ jobId: job.id, tenant: 'acc_one' });
    expect((await service.state.getJob(job.id))!.sent_at).toBe('2026-01-01T00:00:00.000Z');
  });

  test('fills in the default of denoise where the model has it', async () => {
    const fast = await submit(service, undefined, { model: 'real-esrgan-fast' });
    expect(fast.parameters.denoise).toBe(0.5);
    const zero = await submit(service, undefined, { model: 'real-esrgan-fast', denoise: 0 });
    expect(zero.parameters.denoise).toBe(0);
  });

  test.each([
    ['a parameter of another model', { model: 'real-esrgan', denoise: 0.3 }, 'invalid', '#/denoise'],
    ['an unknown field', { scal: 2 }, 'invalid', '#/scal'],
    ['an unknown field inside', { input: { upload_id: 'x', path: 'y' } }, 'invalid', '#/input/path'],
    ['a value out of range', { scale: 5 }, 'invalid', '#/scale'],
    ['a format that cannot hold the result', { format: 'webp', scale: 4 }, 'output-too-large', '#/format'],
  ])('422 for %s', async (_what, more, code, pointer) => {
    const wide = await createService({
      limits: { max_upload_bytes: 1e6, max_input_pixels: 1e6, max_output_pixels: 1e8 },
    });
    const upload_id = await upload(wide, await pngOf(5000, 2));
    const response = await wide.call('POST', '/v1/jobs', { json: { input: { upload_id }, ...more } });
    expect(response.status).toBe(422);
    const problem = await problemOf(response);
    expect(problem.code).toBe(code);
    expect(problem.errors?.map((error) => error.pointer)).toContain(pointer);
    await wide.close();
  });

  test('422 names the rule and the value that breaks it', async () => {
    const json = { input: { upload_id: await upload(service) }, scale: 17, format: 'bmp' };
    const { detail, errors } = await problemOf(await service.call('POST', '/v1/jobs', { json }));
    expect(errors).toContainEqual({
      pointer: '#/scale',
      message: expect.any(String),
      expected: 'at most 16',
      received: '17',
    });
    expect(detail).toContain('received 17');
    expect(detail).toContain('received "bmp"');
  });

  test('422 for a model that is not installed', async () => {
    const few = await createService({ installedModels: modelsNamed(['real-esrgan-fast']) });
    const json = { input: { upload_id: await upload(few) }, model: 'real-esrgan' };
    const response = await few.call('POST', '/v1/jobs', { json });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).code).toBe('model-unavailable');
    await few.close();
  });

  test.each([
    ['no image', () => new TextEncoder().encode('%PDF-1.7 and so on'), 415, 'unsupported-media-type'],
    ['a cut-off image', async () => (await pngOf(20, 10)).slice(0, 20), 422, 'image-unreadable'],
    ['too many pixels', () => pngOf(101, 100), 422, 'image-too-large'],
  ])('a file that is %s is refused, and nothing is created or charged', async (_what, file, status, code) => {
    const upload_id = await upload(service, await file());
    const response = await post({ input: { upload_id } });
    expect(response.status).toBe(status);
    expect((await problemOf(response)).code).toBe(code);
    expect((await service.state.listJobs({ account: 'acc_one', limit: 10 })).jobs).toEqual([]);
    expect(await service.state.listLedger({ account: 'acc_one' })).toEqual([]);
    expect(await receive()).toBeNull();
  });

  test('404 for an upload that does not exist, with a pointer to the field', async () => {
    const response = await post({ input: { upload_id: 'upl_unknown' } });
    expect(response.status).toBe(404);
    expect((await problemOf(response)).errors?.[0]?.pointer).toBe('#/input/upload_id');
  });

  test('402 when the balance does not cover the price, and a reservation when it does', async () => {
    const paid = await createService({ prices: flatPrices(500) });
    const json = { input: { upload_id: await upload(paid) } };
    const refused = await paid.call('POST', '/v1/jobs', { json });
    expect(refused.status).toBe(402);
    expect((await problemOf(refused)).code).toBe('insufficient-credit');
    await paid.state.topUp({ account: 'acc_one', amount: 800, payment: 'p1' });
    const job = await bodyOf<JobView>(paid.call('POST', '/v1/jobs', { json }));
    expect(job.charge).toEqual({ state: 'reserved', amount: 500 });
    expect(await paid.state.getBalance('acc_one')).toBe(300);
    await paid.close();
  });

  test('keeps its 202 when the queue does not answer: the job is due for the reaper', async () => {
    const { queue } = service;
    const broken = await createService({ queue: { ...queue, send: () => Promise.reject(new Error('no queue')) } });
    const json = { input: { upload_id: await upload(broken) } };
    const response = await broken.call('POST', '/v1/jobs', { json });
    expect(response.status).toBe(202);
    const job = await broken.state.getJob((await bodyOf<JobView>(response)).id);
    expect(job).toMatchObject({ status: 'queued' });
    expect(job!.sent_at).toBeUndefined();
    expect(job!.due_at).toBeGreaterThan(broken.now());
    await broken.close();
  });
});

describe('a job whose upload has not arrived', () => {
  test('awaits it, and is queued when it does', async () => {
    const file = await pngOf(30, 20);
    const upload_id = await announce(service, file);
    const job = await submit(service, upload_id);
    expect(job).toMatchObject({ status: 'awaiting_upload', terminal: false });
    expect(job).not.toHaveProperty('input');
    expect(await receive()).toBeNull();
    await send(service, upload_id, file);
    const stored = (await service.state.getUpload(upload_id))!;
    expect(await uploadArrived(service, stored)).toBe(true);
    expect(await uploadArrived(service, stored)).toBe(true);
    expect(await service.state.getJob(job.id)).toMatchObject({ status: 'queued', input: { width: 30, height: 20 } });
    expect(await receive()).toMatchObject({ jobId: job.id });
    expect(await receive()).toBeNull();
  });

  test('is queued also when the upload arrives just before the job is stored', async () => {
    const file = await pngOf(30, 20);
    const upload_id = await announce(service, file);
    const { state } = service;
    const late = await createService({
      ...service,
      state: {
        ...state,
        async createJob(...request) {
          await send(service, upload_id, file);
          await uploadArrived(service, (await state.getUpload(upload_id))!);
          return state.createJob(...request);
        },
      },
    });
    const job = await submit(late, upload_id);
    expect(job.status).toBe('awaiting_upload');
    expect((await state.getJob(job.id))!.status).toBe('queued');
    expect(await receive()).toMatchObject({ jobId: job.id });
    await late.close();
  });

  test('fails without charge when the file breaks a rule, for each job by its own parameters', async () => {
    const paid = await createService({ prices: flatPrices(500) });
    await paid.state.topUp({ account: 'acc_one', amount: 1000, payment: 'p1' });
    paid.limits.max_output_pixels = 100_000;
    const file = await pngOf(100, 100);
    const upload_id = await announce(paid, file);
    const tooLarge = await submit(paid, upload_id, { scale: 4 });
    const fine = await submit(paid, upload_id, { scale: 2 });
    await send(paid, upload_id, file);
    await uploadArrived(paid, (await paid.state.getUpload(upload_id))!);
    expect(await paid.state.getJob(fine.id)).toMatchObject({ status: 'queued' });
    const failed = await bodyOf<JobView>(paid.call('GET', `/v1/jobs/${tooLarge.id}`));
    expect(failed).toMatchObject({
      status: 'failed',
      terminal: true,
      error: { code: 'output-too-large', status: 422, charged: false },
      charge: { state: 'released' },
    });
    expect(await paid.state.getBalance('acc_one')).toBe(500);
    await paid.close();
  });

  test('410 once the time to send the file is over', async () => {
    const upload_id = await announce(service, await pngOf(5, 5));
    service.clock.advance(UPLOAD_URL_SECONDS);
    const response = await post({ input: { upload_id } });
    expect(response.status).toBe(410);
  });

  test('reads on when the header is not within the first 64 KiB', async () => {
    // A JPEG whose application segments are longer than that.
    const head = Uint8Array.of(0xff, 0xd8);
    const filler = new Uint8Array(4 + 40_000);
    filler.set([0xff, 0xe1, (40_002 >> 8) & 255, 40_002 & 255]);
    const frame = Uint8Array.of(0xff, 0xc0, 0, 17, 8, 0, 60, 0, 80, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, 0xd9);
    const file = new Uint8Array(await new Blob([head, filler, filler, frame]).arrayBuffer());
    const job = await submit(service, await upload(service, file));
    expect(job.input).toEqual({ width: 80, height: 60, bytes: file.length, format: 'jpeg' });
  });

  test('reads a PNG to its end, where it may say that it must be turned', async () => {
    const noise = crypto.getRandomValues(new Uint8Array(200 * 150 * 3).subarray(0, 65_536));
    const raw = new Uint8Array(200 * 150 * 3);
    raw.set(noise);
    const png = await sharp(raw, { raw: { width: 200, height: 150, channels: 3 } })
      .png()
      .toBuffer();
    // eXIf chunk: little-endian TIFF with the one entry Orientation = 6.
    const exif = Buffer.from('49492a0008000000' + '0100' + '120103000100000006000000' + '00000000', 'hex');
    const length = Buffer.from([0, 0, 0, exif.length]);
    const chunk = Buffer.concat([length, Buffer.from('eXIf'), exif, Buffer.alloc(4)]);
    const turned = Buffer.concat([png.subarray(0, -12), chunk, png.subarray(-12)]);
    expect(turned.length).toBeGreaterThan(65_536);
    const large = await createService({
      limits: { ...service.limits, max_input_pixels: 30_000, max_output_pixels: 1e6 },
    });
    const job = await submit(large, await upload(large, turned));
    expect(job.input).toMatchObject({ width: 150, height: 200, format: 'png' });
    await large.close();
  });
});

describe('Prefer', () => {
  test('wait answers 200 with the ended job', async () => {
    const file = await pngOf(20, 10);
    const json = { input: { upload_id: await upload(service, file) } };
    const pending = post(json, { Prefer: 'wait=60' });
    const message = await service.queue.receive({ visibilitySeconds: 90, waitSeconds: 20 });
    await succeed(service, message!.jobId);
    const response = await pending;
    expect(response.status).toBe(200);
    expect(response.headers.get('Preference-Applied')).toBe('wait=55');
    expect(response.headers.get('Vary')).toContain('Prefer');
    expect(await response.json()).toMatchObject({ status: 'succeeded', terminal: true });
  });

  test('wait answers 202 with the job as it is when the time is over', async () => {
    const started = performance.now();
    const response = await post({ input: { upload_id: await upload(service) } }, { Prefer: 'respond-async, WAIT="0"' });
    expect(performance.now() - started).toBeGreaterThan(950);
    expect(response.status).toBe(202);
    expect(response.headers.get('Preference-Applied')).toBe('respond-async, wait=1');
    const body = await bodyOf<JobView>(response);
    expect(body).toMatchObject({ status: 'queued', queue: { position_estimate: 1 } });
    expect(response.headers.get('Location')).toBe(body.links.self);
    expect(response.headers.get('Retry-After')).toMatch(/^\d+$/);
  });

  test('wait is not done for an account that has as many requests that wait as it may', async () => {
    const waitForEnd = createWaitForEnd(service, 4);
    const { id } = await submit(service);
    const job = (await service.state.getJob(id))!;
    const leaving = new AbortController();
    const wait = (owner: object) => waitForEnd({ ...job, ...owner }, 55, leaving.signal);
    const waiting = [wait({}), wait({})];
    expect(await wait({})).toEqual({ job, waited: false });
    const other = wait({ account: 'acc_two' });
    leaving.abort();
    expect((await Promise.all([...waiting, other])).map(({ waited }) => waited)).toEqual([true, true, true]);
    await succeed(service, id);
    const ended = await waitForEnd(job, 55, new AbortController().signal);
    expect(ended).toMatchObject({ job: { status: 'succeeded' }, waited: true });
  });

  test.each([
    ['respond-async', 'respond-async'],
    ['wait=soon', null],
    ['return=minimal', null],
  ])('%s answers 202 at once', async (prefer, applied) => {
    const response = await post({ input: { upload_id: await upload(service) } }, { Prefer: prefer });
    expect(response.status).toBe(202);
    expect(response.headers.get('Preference-Applied')).toBe(applied);
  });
});
