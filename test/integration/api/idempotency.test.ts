import { describe, expect, test } from 'vitest';
import type { JobView } from '../../shared/api.ts';
import { IDEMPOTENCY_SECONDS } from '../../shared/limits.ts';
import { bodyOf, pngOf, problemOf, serviceForEach, succeed, upload } from '../support/service.ts';

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

  test('a repeat gets the stored answer whatever has happened since, quoted or bare, in any order of members', async () => {
    const upload_id = await upload(service);
    const first = await post({ input: { upload_id }, scale: 2, seed: 7 }, { 'Idempotency-Key': 'k 1' });
    const body = await first.text();
    const { id } = JSON.parse(body) as JobView;
    await succeed(service, id);
    expect((await service.call('DELETE', `/v1/jobs/${id}`)).status).toBe(204);
    expect(await service.state.getUpload(upload_id)).toBeNull();
    const again = await post({ seed: 7, scale: 2, quality: 90, input: { upload_id } }, { 'Idempotency-Key': '"k 1"' });
    expect(again.status).toBe(202);
    expect(await again.text()).toBe(body);
    for (const name of ['Location', 'Retry-After', 'Content-Type', 'Vary']) {
      expect(again.headers.get(name), name).toBe(first.headers.get(name));
    }
    expect(first.headers.get('Idempotent-Replayed')).toBeNull();
    expect(again.headers.get('Idempotent-Replayed')).toBe('true');
    expect(again.headers.get('X-Request-Id')).not.toBe(first.headers.get('X-Request-Id'));
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

const CHANGES: Record<string, object> = {
  '/v1/uploads': { bytes: 101 },
  '/v1/keys': { name: 'tablet' },
  '/v1/client_tokens': { max_jobs: 3 },
};
