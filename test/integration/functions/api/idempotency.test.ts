import { describe, expect, test } from 'vitest';
import { reap } from '../../../../functions/reap/reap.ts';
import type { FileObjectStore } from '../../../../shared/adapters/local/file-object-store.ts';
import type { JobView } from '../../../../shared/api.ts';
import {
  EVENTS_LINK_SECONDS,
  IDEMPOTENCY_SECONDS,
  QUOTE_SECONDS,
  UPLOAD_URL_SECONDS,
} from '../../../../shared/limits.ts';
import {
  announce as announceFile,
  bodyOf,
  pngOf,
  problemOf,
  send,
  serviceForEach,
  succeed,
  upload,
} from '../../../support/service.ts';

const service = serviceForEach();

const post = (json: unknown, headers: Record<string, string>) => service.call('POST', '/v1/jobs', { json, headers });
const receive = () => service.queue.receive({ visibilitySeconds: 90, waitSeconds: 0 });

describe('Idempotency-Key', () => {
  test('20 identical requests at once create one job and get the same bytes', async () => {
    const json = { input: { upload_id: await upload(service) } };
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(json, { 'Idempotency-Key': 'order-1' })));
    expect(answers.map((answer) => answer.status)).toEqual(Array(20).fill(202));
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    expect(new Set(bodies).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get('Idempotent-Replayed') === 'true')).toHaveLength(19);
    expect((await service.state.listJobs({ account: 'acc_one', limit: 100 })).jobs).toHaveLength(1);
    expect(await receive()).not.toBeNull();
    expect(await receive()).toBeNull();
  });

  test('a repeat gets the stored answer after any change, quoted or bare, in any order of members', async () => {
    const upload_id = await upload(service);
    const first = await post({ input: { upload_id }, scale: 2, seed: 7 }, { 'Idempotency-Key': 'k 1' });
    const body = await first.text();
    const { id } = JSON.parse(body) as JobView;
    await succeed(service, id);
    await service.state.deleteUpload(upload_id);
    const again = await post({ seed: 7, scale: 2, quality: 90, input: { upload_id } }, { 'Idempotency-Key': '"k 1"' });
    expect(again.status).toBe(202);
    expect(await again.text()).toBe(body);
    for (const name of ['Location', 'Retry-After', 'Content-Type', 'Vary']) {
      expect(again.headers.get(name), name).toBe(first.headers.get(name));
    }
    expect(first.headers.get('Idempotent-Replayed')).toBeNull();
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
    expect(again.headers.get('X-Request-Id')).not.toBe(first.headers.get('X-Request-Id'));
    // The answer holds the words of the caller, which go with the job.
    expect((await service.call('DELETE', `/v1/jobs/${id}`)).status).toBe(204);
    const late = await post({ seed: 7, scale: 2, quality: 90, input: { upload_id } }, { 'Idempotency-Key': '"k 1"' });
    expect((await problemOf(late)).code).toBe('gone');
  });

  test('with Prefer: wait a repeat tells how the job is by then', async () => {
    const json = { input: { upload_id: await upload(service) } };
    const headers = { 'Idempotency-Key': 'k-wait' };
    const first = await post(json, headers);
    const body = await first.text();
    const { id } = JSON.parse(body) as JobView;
    const repeat = (prefer?: string) => post(json, { ...headers, ...(prefer && { Prefer: prefer }) });
    const waiting = repeat('wait=55');
    await succeed(service, id);
    for (const response of [await waiting, await repeat('wait=1')]) {
      expect(response.status).toBe(200);
      expect(response.headers.get('Idempotent-Replayed')).toBe('true');
      expect(response.headers.get('Preference-Applied')).toMatch(/^wait=/);
      expect(await response.json()).toMatchObject({ id, status: 'succeeded', terminal: true });
    }
    const plain = await repeat();
    expect([plain.status, await plain.text()]).toEqual([202, body]);
    const again = { input: { upload_id: await upload(service) } };
    const known = await post(again, { 'Idempotency-Key': 'k-run' });
    const other = (await bodyOf<JobView>(known)).id;
    await service.state.updateJob(other, { type: 'claim' });
    const still = await post(again, { 'Idempotency-Key': 'k-run', Prefer: 'wait=1' });
    expect(still.status).toBe(202);
    expect(still.headers.get('Location')).toMatch(new RegExp(`/v1/jobs/${other}$`));
    expect(await still.json()).toMatchObject({ id: other, status: 'starting', version: 2 });
    await service.call('DELETE', `/v1/jobs/${id}`);
    expect((await problemOf(await repeat('wait=1'))).code).toBe('gone');
    expect((await problemOf(await repeat())).code).toBe('gone');
  });

  test('422 for another request with the same key', async () => {
    const upload_id = await upload(service);
    await post({ input: { upload_id } }, { 'Idempotency-Key': 'k2' });
    const response = await post({ input: { upload_id }, scale: 2 }, { 'Idempotency-Key': 'k2' });
    expect(response.status).toBe(422);
    expect((await problemOf(response)).code).toBe('idempotency-key-reused');
  });

  test('keys of different accounts have nothing to do with one another', async () => {
    const { secret } = await service.newKey('acc_two');
    const headers = { 'Idempotency-Key': 'k3' };
    const mine = await post({ input: { upload_id: await upload(service) } }, headers);
    const json = { input: { upload_id: await upload(service, undefined, secret) } };
    const theirs = await service.call('POST', '/v1/jobs', { json, headers, key: secret });
    expect(theirs.status).toBe(202);
    expect(theirs.headers.get('Idempotent-Replayed')).toBeNull();
    expect((await bodyOf<JobView>(theirs)).id).not.toBe((await bodyOf<JobView>(mine)).id);
  });

  test('a refused request is not remembered', async () => {
    const file = await pngOf(20, 10);
    const refused = await post({ input: { upload_id: 'upl_unknown' } }, { 'Idempotency-Key': 'k4' });
    expect(refused.status).toBe(404);
    const accepted = await post({ input: { upload_id: await upload(service, file) } }, { 'Idempotency-Key': 'k4' });
    expect(accepted.status).toBe(202);
  });

  test('a key is new again after its time', async () => {
    const json = { input: { upload_id: await upload(service) } };
    const first = await bodyOf<JobView>(post(json, { 'Idempotency-Key': 'k5' }));
    service.clock.advance(IDEMPOTENCY_SECONDS + 1);
    const second = await bodyOf<JobView>(post(json, { 'Idempotency-Key': 'k5' }));
    expect(second.id).not.toBe(first.id);
  });

  test.each(['""', '"half', 'x'.repeat(256), 'caf\u00e9'])('400 for the key %j', async (key) => {
    const response = await post({ input: { upload_id: 'upl_x' } }, { 'Idempotency-Key': key });
    expect(response.status).toBe(400);
    expect((await problemOf(response)).code).toBe('malformed');
  });

  test('finds the job again when the answer was lost', async () => {
    const job = await post({ input: { upload_id: await upload(service) } }, { 'Idempotency-Key': 'lost' });
    const found = await service.call('GET', '/v1/jobs?idempotency_key=lost');
    expect((await bodyOf<{ data: JobView[] }>(found)).data.map(({ id }) => id)).toEqual([
      (await bodyOf<JobView>(job)).id,
    ]);
  });
});

describe('other creating requests', () => {
  const requests: [string, object][] = [
    ['/v1/uploads', { bytes: 100, content_type: 'image/png' }],
    ['/v1/keys', { name: 'phone' }],
    ['/v1/client_tokens', { end_user: 'user-1' }],
  ];

  test.each(requests)('%s: a repeat gets the same bytes and creates nothing', async (path, json) => {
    const headers = { 'Idempotency-Key': 'once' };
    const create = () => service.call('POST', path, { json, headers });
    const answers = await Promise.all(Array.from({ length: 10 }, create));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201));
    expect(answers.map((answer) => answer.headers.get('Cache-Control'))).toEqual(Array(10).fill('no-store'));
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    expect(new Set(bodies).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get('Idempotent-Replayed') === 'true')).toHaveLength(9);
    const other = await service.call('POST', path, { json: { ...json, ...CHANGES[path] }, headers });
    expect((await problemOf(other)).code).toBe('idempotency-key-reused');
    const second = await service.call('POST', path, { json });
    expect(await second.text()).not.toBe(bodies[0]);
    service.clock.advance(IDEMPOTENCY_SECONDS + 1);
    expect((await create()).headers.has('Idempotent-Replayed')).toBe(false);
  });

  test('each path, each key and each account has its own', async () => {
    const { secret } = await service.newKey();
    const stranger = await service.newKey('acc_two');
    const headers = { 'Idempotency-Key': 'same' };
    const job = await post({ input: { upload_id: await upload(service) } }, headers);
    expect(job.status).toBe(202);
    for (const [path, json] of requests) {
      for (const key of [service.secret, secret, stranger.secret]) {
        const response = await service.call('POST', path, { json, headers, key });
        expect(response.status).toBe(201);
        expect(response.headers.has('Idempotent-Replayed')).toBe(false);
      }
    }
  });

  test('the database holds no secret of an answer, and only the secret that asked opens it', async () => {
    const { secret, id } = await service.newKey();
    const headers = { 'Idempotency-Key': 'sealed' };
    const json = { name: 'phone' };
    const created = await bodyOf<{ key: string }>(service.call('POST', '/v1/keys', { json, headers, key: secret }));
    const rows = service.database.prepare('SELECT response FROM idempotency').all();
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(created.key);
    expect(JSON.parse(rows[0]!.response as string).body).not.toContain('phone');
    const rotated = await bodyOf<{ key: string }>(
      service.call('POST', `/v1/keys/${id}/rotate`, { json: { overlap_seconds: 60 } }),
    );
    const again = await service.call('POST', '/v1/keys', { json, headers, key: secret });
    expect(await bodyOf(again)).toEqual(created);
    const changed = await service.call('POST', '/v1/keys', { json, headers, key: rotated.key });
    expect(changed.status).toBe(422);
    expect((await problemOf(changed)).detail).toContain('earlier secret');
  });

  test('a refused one is not remembered', async () => {
    const headers = { 'Idempotency-Key': 'retry' };
    const refused = await service.call('POST', '/v1/uploads', {
      json: { bytes: 999_999_999, content_type: 'image/png' },
      headers,
    });
    expect(refused.status).toBe(413);
    const json = { bytes: 100, content_type: 'image/png' };
    expect((await service.call('POST', '/v1/uploads', { json, headers })).status).toBe(201);
  });
});

describe('a repeat later', () => {
  const headers = { 'Idempotency-Key': 'outbox-17' };
  const repeatable =
    (path: string, json: object, key = service.secret) =>
    async () => {
      const response = await service.call('POST', path, { json, headers, key });
      return { response, body: (await response.json()) as Record<string, string> };
    };
  const files = () => service.objects as FileObjectStore;
  const put = (url: string, bytes: number) => {
    const sent = new Headers({ 'content-length': String(bytes), 'content-type': 'image/png', 'if-none-match': '*' });
    return files().verifySignedRequest({ method: 'PUT', url, headers: sent });
  };

  test.each(['PUT', 'POST'])(
    'of an upload gets a %s that works, for the same upload, until it is erased',
    async (method) => {
      const announce = repeatable('/v1/uploads', { bytes: 5, content_type: 'image/png', method });
      const holds = ({ url, fields }: Record<string, unknown>) =>
        method === 'PUT' ? put(url as string, 5).key : files().verifySignedForm(fields as Record<string, string>).key;
      const first = (await announce()).body;
      service.clock.advance(60);
      expect((await announce()).body).toEqual(first);
      for (const seconds of [UPLOAD_URL_SECONDS - 90, UPLOAD_URL_SECONDS + 60, 3600]) {
        service.clock.advance(seconds);
        const { response, body } = await announce();
        expect(response.status).toBe(201);
        expect(response.headers.get('Idempotent-Replayed')).toBe('true');
        expect(body.id).toBe(first.id);
        expect(holds(body)).toBe(`in/acc_one/${first.id}`);
        expect(Date.parse(body.expires_at!)).toBe(service.now() + UPLOAD_URL_SECONDS * 1000);
        expect(await service.state.getUpload(first.id!)).toMatchObject({ expires_at: body.expires_at });
      }
      // No longer than the upload itself is kept.
      service.clock.advance(23 * 3600 - 1200 - UPLOAD_URL_SECONDS * 2);
      const { body } = await announce();
      expect(Date.parse(body.expires_at!)).toBeLessThanOrEqual(Date.parse('2026-01-02T00:00:00.000Z'));
      await service.state.deleteUpload(first.id!);
      expect((await announce()).body).toMatchObject({ status: 410, code: 'gone' });
    },
  );

  test('of an upload lets a job that awaits it live as long as its URL', async () => {
    const file = await pngOf(20, 10);
    const announce = repeatable('/v1/uploads', { bytes: file.length, content_type: 'image/png' });
    const { id } = (await announce()).body;
    const job = await bodyOf<JobView>(service.call('POST', '/v1/jobs', { json: { input: { upload_id: id } } }));
    service.clock.advance(UPLOAD_URL_SECONDS - 60);
    expect((await announce()).body.id).toBe(id);
    service.clock.advance(180);
    expect(await reap(service)).toMatchObject({ expired: 0, errors: 0 });
    await send(service, id!, file);
    expect(await reap(service)).toMatchObject({ admitted: 1 });
    expect((await service.state.getJob(job.id))?.status).toBe('queued');
    const late = await bodyOf<JobView>(
      service.call('POST', '/v1/jobs', { json: { input: { upload_id: await announceFile(service, file) } } }),
    );
    service.clock.advance(2 * UPLOAD_URL_SECONDS);
    expect(await reap(service)).toMatchObject({ expired: 1 });
    expect((await service.state.getJob(late.id))?.status).toBe('expired');
  });

  test('of a client token gets it while it is valid, then one other', async () => {
    const create = repeatable('/v1/client_tokens', { end_user: 'user-1', ttl_seconds: 600 });
    const works = async (token: string) => (await service.call('GET', '/v1/jobs', { key: token })).status;
    const first = (await create()).body.token!;
    service.clock.advance(599);
    expect((await create()).body.token).toBe(first);
    service.clock.advance(1);
    expect(await works(first)).toBe(401);
    const later = await Promise.all(Array.from({ length: 5 }, create));
    const tokens = new Set(later.map(({ body }) => body.token!));
    expect(tokens.size).toBe(1);
    expect(later.filter(({ response }) => response.headers.has('Idempotent-Replayed'))).toHaveLength(4);
    expect(await works([...tokens][0]!)).toBe(200);
  });

  test('of a key says that it is over when its secret is valid no longer', async () => {
    const create = repeatable('/v1/keys', { name: 'phone' });
    const { id, key } = (await create()).body;
    const rotate = (overlap_seconds: number) =>
      service.call('POST', `/v1/keys/${id}/rotate`, { json: { overlap_seconds } });
    await rotate(60);
    expect((await create()).body.key).toBe(key);
    service.clock.advance(60);
    expect((await create()).body).toMatchObject({ status: 410, code: 'gone' });
    const other = repeatable('/v1/keys', { name: 'tablet' });
    const { response } = await other();
    expect(response.status).toBe(422);
  });

  test('of a webhook endpoint gets its secret of then, or that it is gone', async () => {
    const create = repeatable('/v1/webhook_endpoints', { events: ['job.failed'] });
    const { id, secret } = (await create()).body;
    const rotated = await service.call('POST', `/v1/webhook_endpoints/${id}/rotate_secret`, {
      json: { overlap_seconds: 0 },
    });
    const { secrets } = await bodyOf<{ secrets: { secret: string }[] }>(rotated);
    const again = (await create()).body;
    expect(again).toMatchObject({ id, events: ['job.failed'], secret: secrets[0]!.secret });
    expect(again.secret).not.toBe(secret);
    await service.call('DELETE', `/v1/webhook_endpoints/${id}`);
    expect((await create()).body).toMatchObject({ status: 410, code: 'gone' });
  });

  test('of the rotation of a webhook secret changes nothing, and tells the secrets of then', async () => {
    const { id } = (await repeatable('/v1/webhook_endpoints', { events: [] })()).body;
    const rotate = repeatable(`/v1/webhook_endpoints/${id}/rotate_secret`, { overlap_seconds: 60 });
    const answers = await Promise.all(Array.from({ length: 4 }, rotate));
    expect(answers.map(({ response }) => response.status)).toEqual(Array(4).fill(200));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect((await rotate()).response.headers.get('Idempotent-Replayed')).toBe('true');
    service.clock.advance(61);
    const { body } = await rotate();
    expect(body.secrets).toHaveLength(1);
    expect((body.secrets as unknown as { secret: string }[])[0]!.secret).toBe(
      (answers[0]!.body.secrets as unknown as { secret: string }[])[0]!.secret,
    );
  });

  test('of a batch gets it with a later secret of the key, too', async () => {
    const { id, secret } = await service.newKey();
    const json = { items: [{ input: { upload_id: await upload(service) } }] };
    const first = await repeatable('/v1/batches', json, secret)();
    const rotated = await bodyOf<{ key: string }>(service.call('POST', `/v1/keys/${id}/rotate`, { json: {} }));
    const again = await repeatable('/v1/batches', json, rotated.key)();
    expect(again.response.headers.get('Idempotent-Replayed')).toBe('true');
    expect(again.body).toEqual(first.body);
    expect((await service.state.listJobs({ account: 'acc_one', limit: 10 })).jobs).toHaveLength(1);
  });

  test('of a quote is a new quote, and of a link a new link', async () => {
    const quote = repeatable('/v1/quotes', { input: { width: 20, height: 10 }, model: 'real-esrgan' });
    const first = (await quote()).body;
    service.clock.advance(QUOTE_SECONDS);
    const { body } = await quote();
    expect(Date.parse(body.expires_at!)).toBeGreaterThan(service.now());
    expect(body.id).not.toBe(first.id);
    const json = { input: { upload_id: await upload(service) }, model: 'real-esrgan', quote_id: body.id };
    const job = await repeatable('/v1/jobs', json)();
    service.clock.advance(QUOTE_SECONDS);
    // The quote has run out, and the agreed price holds.
    expect((await repeatable('/v1/jobs', json)()).body).toEqual(job.body);
    const link = async () => bodyOf<{ url: string }>(service.call('GET', `/v1/jobs/${job.body.id}/events_link`));
    await link();
    service.clock.advance(EVENTS_LINK_SECONDS);
    const response = await service.app.request((await link()).url);
    await response.body?.cancel();
    expect(response.status).toBe(200);
  });
});

const CHANGES: Record<string, object> = {
  '/v1/uploads': { bytes: 101 },
  '/v1/keys': { name: 'tablet' },
  '/v1/client_tokens': { max_jobs: 3 },
};
