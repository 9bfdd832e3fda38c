import { describe, expect, test } from 'vitest';
import { uploadArrived } from '../../../../shared/admission.ts';
import type { JobView } from '../../../../shared/api.ts';
import {
  announce,
  bodyOf,
  pngOf,
  problemOf,
  send,
  serviceForEach,
  submit,
  succeed,
  upload,
} from '../../../support/service.ts';

/** The requested form of a result: its kind of file and its size, wherever that can be asked for. */

const service = serviceForEach();

const post = (path: string, json: object, headers: Record<string, string> = {}) =>
  service.call('POST', path, { json, headers });
const jobsOf = async (batch: { jobs: { id: string }[] }) =>
  Promise.all(batch.jobs.map(({ id }) => bodyOf<JobView>(service.call('GET', `/v1/jobs/${id}`))));

describe('names of formats', () => {
  test.each([
    ['jpg', 'jpeg', 'jpg'],
    ['jpeg', 'jpeg', 'jpg'],
    ['tif', 'tiff', 'tif'],
    ['tiff', 'tiff', 'tif'],
    ['png', 'png', 'png'],
  ])('%s is %s, and the file ends in .%s', async (asked, format, ending) => {
    const job = await submit(service, undefined, { format: asked });
    expect(job.parameters.format).toBe(format);
    await succeed(service, job.id);
    const link = await service.call('GET', `/v1/jobs/${job.id}/output`);
    expect(link.headers.get('Location')).toContain(`${job.id}.${ending}`);
  });

  test('both names are one request', async () => {
    const input = { upload_id: await upload(service) };
    const headers = { 'Idempotency-Key': 'once' };
    const first = await bodyOf<JobView>(post('/v1/jobs', { input, format: 'jpg' }, headers));
    const again = await bodyOf<JobView>(post('/v1/jobs', { input, format: 'jpeg' }, headers));
    expect(again.id).toBe(first.id);
  });

  test('in batches, quotes and previews', async () => {
    const [one, other] = [{ upload_id: await upload(service) }, { upload_id: await upload(service) }];
    const items = [{ input: one }, { input: other, format: 'tif' }];
    const jobs = await jobsOf(await bodyOf(post('/v1/batches', { items, parameters: { format: 'jpg' } })));
    expect(jobs.map(({ parameters }) => parameters.format)).toEqual(['jpeg', 'tiff']);
    expect((await post('/v1/quotes', { input: one, format: 'tif' })).status).toBe(200);
    const preview = { x: 0, y: 0, width: 4, height: 4 };
    expect((await submit(service, one.upload_id, { format: 'tif', preview })).parameters.format).toBe('tiff');
  });

  test.each(['bmp', 'image/png', '.png', ''])('"%s" is none', async (format) => {
    const refused = await problemOf(await post('/v1/jobs', { input: { upload_id: await upload(service) }, format }));
    expect(refused).toMatchObject({ code: 'invalid', errors: [{ pointer: '#/format' }] });
    expect(refused.errors?.[0]?.expected).toMatch(/png.*jpeg.*tiff/);
  });
});

describe('a target', () => {
  const target = { width: 50 };
  type Quote = { output: object };

  test('takes the place of scale in a job, and stands in it', async () => {
    const { parameters } = await submit(service, undefined, { target });
    expect(parameters.target).toEqual(target);
    expect(parameters).not.toHaveProperty('scale');
    expect((await submit(service)).parameters).not.toHaveProperty('target');
  });

  test.each([
    [{ width: 50 }, { width: 50, height: 25 }],
    [{ height: 31 }, { width: 62, height: 31 }],
    [
      { width: 60, height: 25 },
      { width: 50, height: 25 },
    ],
    [{ megapixels: 0.0008 }, { width: 40, height: 20 }],
  ])('%j of a photo of 20×10 is quoted as %j, by size and by upload', async (asked, output) => {
    for (const input of [{ width: 20, height: 10 }, { upload_id: await upload(service) }]) {
      expect(await bodyOf<Quote>(post('/v1/quotes', { input, target: asked }))).toMatchObject({ output });
    }
    const preview = { x: 0, y: 0, width: 10, height: 10 };
    const part = await bodyOf<Quote>(post('/v1/quotes', { input: { width: 20, height: 10 }, target: asked, preview }));
    expect(part.output).toEqual({ width: output.width / 2, height: output.height });
  });

  test.each<[string, object, string]>([
    ['too small', { target: { width: 19 } }, 'invalid'],
    ['too large', { target: { width: 81 } }, 'invalid'],
    ['with scale', { target, scale: 2 }, 'invalid'],
    ['with the default scale', { target, scale: 4 }, 'invalid'],
    ['of nothing', { target: {} }, 'invalid'],
    ['of two kinds', { target: { width: 50, megapixels: 1 } }, 'invalid'],
    [
      'that its format cannot hold',
      { target: { width: 80 }, preview: { x: 0, y: 0, width: 30, height: 1 } },
      'invalid',
    ],
  ])('%s is refused, by job and quote, and nothing is stored', async (_name, asked, code) => {
    const upload_id = await upload(service);
    for (const path of ['/v1/jobs', '/v1/quotes']) {
      const problem = await problemOf(await post(path, { input: { upload_id }, ...asked }));
      expect(problem).toMatchObject({ status: 422, code });
      expect(problem.errors?.[0]?.pointer).toMatch(/^#\/(target|preview)/);
    }
    expect((await service.state.listJobs({ account: 'acc_one', limit: 1 })).jobs).toEqual([]);
  });

  test('of a photo that comes later is settled when it comes', async () => {
    const file = await pngOf(20, 10);
    const upload_id = await announce(service, file);
    const fine = await submit(service, upload_id, { target: { height: 40 } });
    const small = await submit(service, upload_id, { target: { height: 9 } });
    const large = await submit(service, upload_id, { target: { megapixels: 1 } });
    expect([fine, small, large].map(({ status }) => status)).toEqual(Array(3).fill('awaiting_upload'));
    await send(service, upload_id, file);
    await uploadArrived(service, (await service.state.getUpload(upload_id))!);
    expect((await service.state.getJob(fine.id))!.status).toBe('queued');
    for (const { id } of [small, large]) {
      const job = (await service.state.getJob(id))!;
      expect(job).toMatchObject({ status: 'failed', error: { code: 'invalid', charged: false } });
      expect(job.error!.detail).toMatch(/20×10 to 80×40/);
    }
  });

  test('in a batch: the size of an item goes over the common one, in whichever way each is told', async () => {
    const inputs = await Promise.all([1, 2, 3].map(async () => ({ upload_id: await upload(service) })));
    const items = [{ input: inputs[0] }, { input: inputs[1], scale: 2 }, { input: inputs[2], target: { height: 20 } }];
    for (const common of [{ target }, { scale: 3 }]) {
      const jobs = await jobsOf(await bodyOf(post('/v1/batches', { items, parameters: common })));
      const sizes = jobs.map(({ parameters: { scale, target } }) => ({ scale, target }));
      expect(sizes).toEqual([
        { scale: undefined, target: undefined, ...common },
        { scale: 2, target: undefined },
        { scale: undefined, target: { height: 20 } },
      ]);
    }
    const both = { input: inputs[0], scale: 2, target };
    const refused = await problemOf(await post('/v1/batches', { items: [{ input: inputs[1] }, both] }));
    expect(refused).toMatchObject({ code: 'invalid', errors: [{ pointer: '#/items/1/target' }] });
  });

  test('the default of scale may be spelled out in a repeat', async () => {
    const input = { upload_id: await upload(service) };
    const headers = { 'Idempotency-Key': 'once' };
    const first = await bodyOf<JobView>(post('/v1/jobs', { input }, headers));
    expect((await bodyOf<JobView>(post('/v1/jobs', { input, scale: 4 }, headers))).id).toBe(first.id);
    expect((await post('/v1/jobs', { input, scale: 2 }, headers)).status).toBe(422);
  });
});

describe('bits of each color', () => {
  test('are 8 unless 16 are asked for, which makes the default PNG, of HEIC too', async () => {
    expect((await submit(service)).parameters).toMatchObject({ bit_depth: 8, format: 'png' });
    expect((await submit(service, undefined, { bit_depth: 16 })).parameters).toMatchObject({
      bit_depth: 16,
      format: 'png',
    });
    const tiff = await submit(service, undefined, { bit_depth: 16, format: 'tif' });
    expect(tiff.parameters).toMatchObject({ bit_depth: 16, format: 'tiff' });
  });

  test.each(['jpg', 'jpeg', 'webp', 'avif'])('16 of %s are refused by name', async (format) => {
    const input = { upload_id: await upload(service) };
    for (const path of ['/v1/jobs', '/v1/quotes']) {
      const problem = await problemOf(await post(path, { input, format, bit_depth: 16 }));
      expect(problem).toMatchObject({ status: 422, code: 'invalid', errors: [{ pointer: '#/bit_depth' }] });
      expect(problem.detail).toMatch(/(jpeg|webp|avif) holds 8 bits.*png, tiff/);
    }
    const items = [{ input, format }];
    const batch = await problemOf(await post('/v1/batches', { items, parameters: { bit_depth: 16 } }));
    expect(batch.errors).toMatchObject([{ pointer: '#/items/0/bit_depth' }]);
  });

  test.each([0, 10, 12, 32, '16', 16.5])('%j are none', async (bit_depth) => {
    const problem = await problemOf(await post('/v1/jobs', { input: { upload_id: await upload(service) }, bit_depth }));
    expect(problem).toMatchObject({ status: 422, errors: [{ pointer: '#/bit_depth' }] });
  });
});
