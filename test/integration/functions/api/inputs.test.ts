import { readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { notifyOnce } from '../../../../functions/notify/notify.ts';
import { createBlobRoutes } from '../../../../local/blob-routes.ts';
import type { FileObjectStore } from '../../../../shared/adapters/local/file-object-store.ts';
import { createGuardedFetch } from '../../../../shared/adapters/node/guarded-fetch.ts';
import type { JobView } from '../../../../shared/api.ts';
import type { Job } from '../../../../shared/job.ts';
import { MAX_INLINE_BYTES } from '../../../../shared/limits.ts';
import { PRICE_LISTS } from '../../../../shared/pricing.ts';
import { type Answer, startReceiver } from '../../../support/receiver.ts';
import {
  bodyOf,
  createService,
  pngOf,
  problemOf,
  type Service,
  send,
  submit,
  succeed,
  upload,
} from '../../../support/service.ts';

let service: Service;
const receivers: { close(): void }[] = [];
const exempt: string[] = [];
beforeEach(async () => {
  service = await createService({ outbound: createGuardedFetch({ allowHttp: false, allowHosts: exempt }) });
});
afterEach(async () => {
  for (const receiver of receivers.splice(0)) receiver.close();
  exempt.splice(0);
  await service.close();
});

async function receiverOf(...answers: Answer[]) {
  const receiver = await startReceiver(...answers);
  receivers.push(receiver);
  exempt.push(receiver.host);
  return receiver;
}
const jobOf = async (id: string) => (await service.state.getJob(id))!;
const view = (id: string) => bodyOf<JobView>(service.call('GET', `/v1/jobs/${id}`));
/** Everything that is due, now and after each pause. */
async function work(pauses = 0): Promise<void> {
  for (let i = 0; i <= pauses; i++) {
    while (await notifyOnce({ ...service, outbound: service.outbound! }));
    if (i < pauses) service.clock.advance(4000);
  }
}
const submitInput = (input: object, more: object = {}) =>
  service.call('POST', '/v1/jobs', { json: { input, ...more } });
const submitUrl = async (url: string) => bodyOf<JobView>(submitInput({ url }));
const answerWith = (file: Uint8Array) => ({ status: 200, body: file });

describe('input by URL', () => {
  test('is fetched, and the job goes on like one whose upload has arrived', async () => {
    const { url, received } = await receiverOf(answerWith(await pngOf(20, 10)));
    const job = await submitUrl(`${url}?signature=hush`);
    expect(job).toMatchObject({ status: 'awaiting_upload', charge: { state: 'pending' } });
    await work();
    expect(received.map(({ method, path }) => [method, path])).toEqual([['GET', '/hook?signature=hush']]);
    expect(await view(job.id)).toMatchObject({
      status: 'queued',
      input: { width: 20, height: 10, format: 'png' },
      charge: { state: 'reserved' },
    });
    expect((await service.queue.depth()).visible).toBe(1);
    expect(JSON.stringify(await view(job.id)) + service.lines.join('')).not.toContain('hush');
    expect(await service.state.claimDelivery()).toBeNull();
  });

  test('is tried again when the other side fails for a while', async () => {
    const { url, received } = await receiverOf(503, { status: 429 }, answerWith(await pngOf(20, 10)));
    const job = await submitUrl(url);
    await work(2);
    expect(received).toHaveLength(3);
    expect((await jobOf(job.id)).status).toBe('queued');
  });

  test.each<[string, Answer, Partial<Job['error'] & object>, number]>([
    ['is not there', 404, { code: 'url-refused', detail: expect.stringContaining('answered 404') }, 1],
    ['is elsewhere', { status: 302, headers: { Location: 'https://example.com/' } }, { code: 'url-refused' }, 1],
    ['keeps failing', 500, { code: 'fetch-failed' }, 3],
    ['is too large', { status: 200, body: 'x'.repeat(200_001) }, { code: 'too-large' }, 1],
    ['is no image', { status: 200, body: '<html>' }, { code: 'unsupported-media-type' }, 1],
    ['is empty', { status: 200, body: '' }, {}, 1],
  ])('fails the job, uncharged, when the file %s', async (_name, answer, error, attempts) => {
    const { url, received } = await receiverOf(answer);
    const job = await submitUrl(url);
    await work(4);
    expect(received).toHaveLength(attempts);
    expect(await view(job.id)).toMatchObject({
      status: 'failed',
      error: { ...error, charged: false },
      charge: { state: 'released', amount: 0 },
    });
  });

  test('counts with the bytes that came, and not at all where none did', async () => {
    const file = await pngOf(20, 10);
    const job = await submitUrl((await receiverOf(answerWith(file))).url);
    const gone = await submitUrl((await receiverOf(404)).url);
    const canceled = await submitUrl((await receiverOf(answerWith(file))).url);
    await service.call('POST', `/v1/jobs/${canceled.id}/cancel`);
    await work();
    expect(await service.state.getUpload(job.upload_id)).toMatchObject({ bytes: file.length });
    expect(await service.state.getUpload(gone.upload_id)).toBeNull();
    expect(await service.state.getUpload(canceled.upload_id)).toBeNull();
  });

  test('too many pixels are found out then', async () => {
    const { url } = await receiverOf(answerWith(await pngOf(200, 100)));
    const job = await submitUrl(url);
    await work();
    expect((await jobOf(job.id)).error?.code).toBe('image-too-large');
  });

  test.each(['http://127.0.0.1:1/', 'https://169.254.169.254/latest/', 'https://[::1]/', 'file:///etc/passwd'])(
    '%s is refused at once',
    async (url) => {
      expect(await problemOf(await submitInput({ url }))).toMatchObject({ status: 422, code: 'url-refused' });
    },
  );

  test('a name that leads into a private network fails the job', async () => {
    const { host } = await receiverOf(200);
    exempt.splice(0);
    const job = await submitUrl(`https://localhost/${host}`);
    await work();
    expect(await view(job.id)).toMatchObject({ status: 'failed', error: { code: 'url-refused' } });
  });

  test('a job that was canceled first fetches nothing, and one fetch serves a crash and its repeat', async () => {
    const { url, received } = await receiverOf(answerWith(await pngOf(20, 10)));
    const canceled = await submitUrl(url);
    await service.call('POST', `/v1/jobs/${canceled.id}/cancel`);
    await work();
    expect(received).toEqual([]);
    const job = await submitUrl(url);
    const dying = { ...service.state, recordAttempt: () => Promise.reject(new Error('killed')) };
    await expect(notifyOnce({ ...service, outbound: service.outbound!, state: dying })).rejects.toThrow('killed');
    service.clock.advance(181);
    await work();
    expect(received).toHaveLength(1);
    expect((await jobOf(job.id)).status).toBe('queued');
  });

  test('a fetch that was taken for lost and was only slow harms nothing', async () => {
    const { url } = await receiverOf(answerWith(await pngOf(20, 10)));
    const job = await submitUrl(url);
    const { objects } = service;
    const put: typeof objects.put = async (...given) => {
      await objects.put(given[0], new Blob([new Uint8Array(await pngOf(20, 10))]).stream(), given[2]);
      return objects.put(...given);
    };
    await notifyOnce({ ...service, objects: { ...objects, put }, outbound: service.outbound! });
    expect((await jobOf(job.id)).status).toBe('queued');
  });

  test('a job that was deleted while its file was on its way leaves nothing behind', async () => {
    const { url } = await receiverOf(answerWith(await pngOf(20, 10)));
    const job = await submitUrl(url);
    const { input_key } = await jobOf(job.id);
    const { objects } = service;
    const put: typeof objects.put = async (...given) => {
      const stored = await objects.put(...given);
      await service.call('POST', `/v1/jobs/${job.id}/cancel`);
      await service.call('DELETE', `/v1/jobs/${job.id}`);
      await objects.put(input_key, new Blob(['late']).stream(), { contentType: 'x' });
      return stored;
    };
    await notifyOnce({ ...service, objects: { ...objects, put }, outbound: service.outbound! });
    expect(await objects.head(input_key)).toBeNull();
    expect(await jobOf(job.id)).not.toHaveProperty('fetch_url');
  });
});

describe('inline input', () => {
  test('of a refused or repeated request leaves nothing behind', async () => {
    const paid = await createService({ prices: PRICE_LISTS.standard });
    const base64 = Buffer.from(await pngOf(20, 10)).toString('base64');
    const post = (path: string, json: object, headers?: Record<string, string>) =>
      paid.call('POST', path, { json, headers: headers ?? {} });
    const input = { base64 };
    const refused = [
      await post('/v1/jobs', { input }), // cannot be paid
      await post('/v1/jobs', { input, max_price: 1 }),
      await post('/v1/jobs', { input, preview: { x: 19, y: 0, width: 9, height: 9 } }),
      await post('/v1/jobs', { input, webhook: { endpoint_id: 'whe_none' } }),
      await post('/v1/batches', { items: [{ input }, { input }] }),
      await post('/v1/batches', { items: [{ input }, { input: { upload_id: 'upl_none' } }] }),
    ];
    expect(refused.map(({ status }) => status)).toEqual([402, 422, 422, 404, 402, 404]);
    const left = () => paid.database.prepare('SELECT count(*) AS count FROM uploads').get()!.count;
    const files = async () => {
      const all = await readdir(paid.directory, { recursive: true, withFileTypes: true });
      return all.filter((entry) => entry.isFile() && entry.parentPath.includes('/objects/in')).length;
    };
    expect([left(), await files()]).toEqual([0, 0]);
    await paid.state.topUp({ account: 'acc_one', amount: 100_000, payment: 'p' });
    const headers = { 'Idempotency-Key': 'k' };
    const answers = await Promise.all(Array.from({ length: 5 }, () => post('/v1/jobs', { input }, headers)));
    expect(answers.map(({ status }) => status)).toEqual(Array(5).fill(202));
    expect([left(), await files()]).toEqual([1, 1]);
    expect((await post('/v1/batches', { items: [{ input }, { input }] })).status).toBe(201);
    expect([left(), await files()]).toEqual([3, 3]);
    await paid.close();
  });

  test('is queued at once', async () => {
    const base64 = Buffer.from(await pngOf(20, 10)).toString('base64');
    const job = await bodyOf<JobView>(submitInput({ base64 }));
    expect(job).toMatchObject({ status: 'queued', input: { width: 20, height: 10, format: 'png' } });
    expect((await service.objects.head((await jobOf(job.id)).input_key))?.contentType).toBe('image/png');
  });

  test('may have as many bytes as announced, and not more', async () => {
    const limits = { ...service.limits, max_upload_bytes: 10 * MAX_INLINE_BYTES };
    const large = await createService({ limits });
    const file = new Uint8Array(MAX_INLINE_BYTES);
    file.set(await pngOf(20, 10));
    const send = (bytes: Uint8Array) => {
      const json = { input: { base64: Buffer.from(bytes).toString('base64') } };
      return large.call('POST', '/v1/jobs', { json });
    };
    expect((await send(file)).status).toBe(202);
    expect([413, 422]).toContain((await send(new Uint8Array(MAX_INLINE_BYTES + 3))).status);
    await large.close();
  });

  test.each([
    [{ base64: 'not base64!' }, 'invalid'],
    [{ base64: '' }, 'image-unreadable'],
    [{ base64: btoa('<html>') }, 'unsupported-media-type'],
    [{}, 'invalid'],
    [{ base64: btoa('x'), url: 'https://example.com/' }, 'invalid'],
  ])('%j is refused as %s, and nothing is stored', async (input, code) => {
    const problem = await problemOf(await submitInput(input));
    expect([code, 'unsupported-media-type']).toContain(problem.code);
    const { data } = await bodyOf<{ data: unknown[] }>(service.call('GET', '/v1/jobs'));
    expect(data).toEqual([]);
  });
});

describe('a form', () => {
  test('of an upload admits the job that awaits it', async () => {
    service.app.route('/blobs', createBlobRoutes({ ...service, objects: service.objects as FileObjectStore }));
    const file = new Uint8Array(await pngOf(20, 10));
    const json = { bytes: file.length, content_type: 'image/png', method: 'POST' };
    const announced = await bodyOf<{ id: string; method: string; url: string; fields: Record<string, string> }>(
      service.call('POST', '/v1/uploads', { json }),
    );
    expect(announced).toMatchObject({ method: 'POST', headers: {} });
    const job = await submit(service, announced.id);
    const body = new FormData();
    for (const [name, value] of Object.entries(announced.fields)) body.append(name, value);
    body.append('file', new Blob([file]), 'photo.png');
    const sent = await service.app.request(announced.url, { method: announced.method, body });
    expect(sent.status).toBe(201);
    expect((await jobOf(job.id)).status).toBe('queued');
  });
});

describe('delivery of the result', () => {
  const submitTo = async (deliver: object) => submit(service, await upload(service), { deliver });

  test('puts it to the URL of the caller and says so in the job', async () => {
    const { url, received } = await receiverOf(200);
    const job = await submitTo({ url, headers: { 'x-ms-blob-type': 'BlockBlob' } });
    await succeed(service, job.id);
    expect((await view(job.id)).delivery).toEqual({ status: 'pending' });
    await work();
    expect(received).toMatchObject([
      {
        method: 'PUT',
        body: 'the result',
        headers: { 'content-type': 'image/png', 'content-length': '10', 'x-ms-blob-type': 'BlockBlob' },
      },
    ]);
    expect(received[0]?.headers).not.toHaveProperty('transfer-encoding');
    const after = await view(job.id);
    expect(after).toMatchObject({ status: 'succeeded', terminal: true, delivery: { status: 'delivered' } });
    expect(JSON.stringify(after)).not.toContain(url);
  });

  test('is tried again, and a failure in the end takes nothing from the job', async () => {
    const busy = await receiverOf(503, 200);
    const closed = await receiverOf({ status: 403, body: 'expired' });
    const first = await submitTo({ url: busy.url });
    const second = await submitTo({ url: closed.url });
    for (const job of [first, second]) await succeed(service, job.id);
    await work(1);
    expect((await view(first.id)).delivery).toEqual({ status: 'delivered' });
    expect(await view(second.id)).toMatchObject({
      status: 'succeeded',
      delivery: { status: 'failed', detail: 'Status 403.' },
      charge: { state: 'captured' },
    });
    expect([busy.received.length, closed.received.length]).toEqual([2, 1]);
  });

  test.each<[string, Answer[], object, string]>([
    ['S3 has it, and its answer was lost', ['drop', 412], { 'if-none-match': '*' }, 'delivered'],
    ['Google has it', ['drop', 412], { 'x-goog-if-generation-match': '0' }, 'delivered'],
    ['Azure has it, and could not say so', [500, 409], { 'if-none-match': '*' }, 'delivered'],
    ['somebody else’s is there', [412], { 'if-none-match': '*' }, 'failed'],
    ['a receiver that was busy has something there', [429, 412], { 'if-none-match': '*' }, 'failed'],
    ['the receiver refuses it for another reason', ['drop', 412], {}, 'failed'],
  ])('%s', async (_, answers, headers, status) => {
    const { url, received } = await receiverOf(...answers);
    const job = await submitTo({ url, headers });
    await succeed(service, job.id);
    await work(answers.length - 1);
    expect((await view(job.id)).delivery).toMatchObject({ status });
    expect(received).toHaveLength(answers.length);
  });

  test('fails when the result is gone before it could be put', async () => {
    const { url, received } = await receiverOf(200);
    const job = await submitTo({ url });
    await succeed(service, job.id);
    await service.state.updateJob(job.id, { type: 'purge' });
    await work();
    expect(received).toEqual([]);
    expect((await view(job.id)).delivery).toEqual({ status: 'failed', detail: 'There is no result any more.' });
  });

  test('happens only when there is a result', async () => {
    const { url, received } = await receiverOf(200);
    const job = await submitTo({ url });
    await service.call('POST', `/v1/jobs/${job.id}/cancel`);
    await work();
    expect(received).toEqual([]);
    expect(await view(job.id)).not.toHaveProperty('delivery');
  });

  test.each([
    [{ url: 'https://10.0.0.1/' }, 'url-refused'],
    [{ url: 'https://example.com/', headers: { authorization: 'x' } }, 'invalid'],
    [{ url: 'https://example.com/', headers: { host: 'x' } }, 'invalid'],
    [{ url: 'https://example.com/', headers: { 'x-a': 'b\r\nc: d' } }, 'invalid'],
  ])('%j is refused', async (deliver, code) => {
    const response = await submitInput({ upload_id: await upload(service) }, { deliver });
    expect(await problemOf(response)).toMatchObject({ status: 422, code });
  });
});

describe('a file whose last steps fail, so that its sender', () => {
  test.each([
    ['is told to come again', true],
    ['finds it there when it comes again', false],
  ])('%s, admits the job that awaits it', async (_, isTold) => {
    const objects = service.objects as FileObjectStore;
    const receive: FileObjectStore['receive'] = async (...given) => {
      await objects.receive(...given);
      if (isTold) throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO', syscall: 'fsync' });
    };
    service.app.route('/blobs', createBlobRoutes({ ...service, objects: { ...objects, receive } }));
    const file = new Uint8Array(await pngOf(20, 10));
    const json = { bytes: file.length, content_type: 'image/png' };
    const upload = await bodyOf<{ id: string; url: string; headers: Record<string, string> }>(
      service.call('POST', '/v1/uploads', { json }),
    );
    const { id } = await submit(service, upload.id);
    if (!isTold) await send(service, upload.id, file); // nobody was told of it
    const headers = { ...upload.headers, 'Content-Length': `${file.length}` };
    const sent = await service.app.request(upload.url, { method: 'PUT', headers, body: file });
    expect(sent.status).toBe(isTold ? 503 : 412);
    expect((await service.state.getJob(id))?.status).toBe('queued');
  });
});
