import { tmpdir } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { notifyOnce } from '../../../../functions/notify/notify.ts';
import { awaitRoom } from '../../../../gpu-worker/worker/await-room.ts';
import { createBlobRoutes } from '../../../../local/blob-routes.ts';
import { createStorageRoom } from '../../../../local/storage-room.ts';
import type { FileObjectStore } from '../../../../shared/adapters/local/file-object-store.ts';
import { createGuardedFetch } from '../../../../shared/adapters/node/guarded-fetch.ts';
import type { JobView } from '../../../../shared/api.ts';
import type { Problem } from '../../../../shared/error.ts';
import { createHealth } from '../../../../shared/health.ts';
import { findLedgerProblems } from '../../../../shared/ledger.ts';
import { createLog } from '../../../../shared/log.ts';
import { PRICE_LISTS } from '../../../../shared/pricing.ts';
import { startReceiver } from '../../../support/receiver.ts';
import { bodyOf, createService, pngOf, problemOf, type Service, submit, upload } from '../../../support/service.ts';

/** More than any disk has: as if there were less than the reserve. */
const HUGE = 2 ** 52;
/** Rows that the pages of a fresh database may still take. */
const MOST = 100;
const FULL = createStorageRoom({ directories: [tmpdir()], minFreeBytes: HUGE });
const FREE = createStorageRoom({ directories: [tmpdir()], minFreeBytes: 1 });

let service: Service;
afterEach(() => service.close());

async function expectFull(response: Response): Promise<void> {
  expect(Number(response.headers.get('Retry-After'))).toBeGreaterThan(0);
  expect(await problemOf(response)).toMatchObject({
    status: 503,
    code: 'storage-full',
    retryable: true,
    charged: false,
  } satisfies Partial<Problem>);
}

describe('a database that may not grow', () => {
  const pages = (limit: number) => service.database.exec(`PRAGMA max_page_count = ${limit}`);
  const announce = () => service.call('POST', '/v1/uploads', { json: { bytes: 10, content_type: 'image/png' } });

  test('refuses new data, answers the rest, and goes on by itself', async () => {
    service = await createService({ prices: PRICE_LISTS.standard });
    await service.state.topUp({ account: 'acc_one', amount: 1_000_000, payment: 'first' });
    const earlier = await submit(service);
    const uploadId = await upload(service);
    const balance = await service.state.getBalance('acc_one');
    const submitAs = (key: string) =>
      service.call('POST', '/v1/jobs', {
        json: { input: { upload_id: uploadId } },
        headers: { 'Idempotency-Key': key },
      });
    pages(1); // SQLite takes the number of pages that there are
    let responses = 0;
    let response = await announce();
    while (response.ok && responses++ < MOST) response = await announce();
    await expectFull(response);
    let jobs = 0;
    response = await submitAs('0');
    while (response.ok && jobs < MOST) response = await submitAs(String(++jobs));
    await expectFull(response);
    expect((await service.call('GET', `/v1/jobs/${earlier.id}`)).status).toBe(200);
    const left = balance - jobs * earlier.charge.amount;
    expect(await service.state.getBalance('acc_one')).toBe(left);

    pages(1_000_000);
    expect(await bodyOf<JobView>(submitAs(String(jobs)))).toMatchObject({ status: 'queued' });
    expect(await service.state.getBalance('acc_one')).toBe(left - earlier.charge.amount);
    expect(findLedgerProblems(await service.state.getStatement('acc_one'))).toEqual([]);
  });
});

describe('below the reserve', () => {
  test('nothing new is taken, and stored jobs can be asked for', async () => {
    service = await createService({ room: FULL });
    service.app.route('/blobs', createBlobRoutes({ ...service, objects: service.objects as FileObjectStore }));
    const ready = await createService({ ...service, room: FREE });
    const uploadId = await upload(ready);
    const { id } = await submit(ready, uploadId);
    const file = await pngOf(20, 10);
    const json = { bytes: file.length, content_type: 'image/png' };
    const announced = await bodyOf<{ url: string }>(ready.call('POST', '/v1/uploads', { json }));
    await expectFull(await service.call('POST', '/v1/uploads', { json }));
    const headers = { 'Content-Type': 'image/png', 'Content-Length': String(file.length), 'If-None-Match': '*' };
    const put = { method: 'PUT', headers, body: new Uint8Array(file) };
    await expectFull(await service.app.request(announced.url, put));
    const input = { upload_id: uploadId };
    await expectFull(await service.call('POST', '/v1/jobs', { json: { input } }));
    await expectFull(await service.call('POST', '/v1/batches', { json: { items: [{ input }] } }));
    await expectFull(await service.app.request('/readyz'));
    for (const path of ['/v1/jobs', `/v1/jobs/${id}`, '/v1/balance', '/healthz']) {
      expect((await service.call('GET', path)).status, path).toBe(200);
    }
    expect((await service.call('POST', `/v1/jobs/${id}/cancel`)).status).toBe(200);
    const watcher = await service.newKey('acc_one', ['metrics:read']);
    const metrics = await (await service.call('GET', '/metrics', { key: watcher.secret })).text();
    expect(metrics).toMatch(/^seesr_storage_free_bytes [1-9]\d*$/m);
    expect((await ready.app.request('/readyz')).status).toBe(200);
    await ready.close();
  });

  test('the same request is answered again, for it stores nothing', async () => {
    service = await createService();
    const full = await createService({ ...service, room: FULL });
    const json = { input: { upload_id: await upload(service) } };
    const headers = { 'Idempotency-Key': 'one' };
    const first = await service.call('POST', '/v1/jobs', { json, headers });
    const again = await full.call('POST', '/v1/jobs', { json, headers, key: service.secret });
    expect(await again.text()).toBe(await first.text());
    await full.close();
  });

  test('an input is fetched later, and no try of it is lost', async () => {
    const receiver = await startReceiver({ status: 200, body: Buffer.from(await pngOf(20, 10)) });
    const outbound = createGuardedFetch({ allowHttp: false, allowHosts: [receiver.host] });
    service = await createService({ outbound });
    const { id } = await bodyOf<JobView>(service.call('POST', '/v1/jobs', { json: { input: { url: receiver.url } } }));
    for (let i = 0; i < 5; i++) {
      await expect(notifyOnce({ ...service, outbound, room: FULL })).rejects.toThrow('in reserve');
      service.clock.advance(181);
    }
    expect(receiver.received).toEqual([]);
    expect(await notifyOnce({ ...service, outbound, room: FREE })).toBe(true);
    expect((await service.state.getJob(id))?.status).toBe('queued');
    receiver.close();
  });

  test('a worker waits, and says so once', async () => {
    service = await createService();
    const stop = new AbortController();
    const lines: string[] = [];
    const log = createLog('info', (line) => lines.push(line));
    const health = createHealth(log);
    let room = FULL;
    const waiting = awaitRoom({ room: { ...FULL, check: () => room.check() }, log, health }, undefined, stop.signal);
    await expect.poll(() => lines.join()).toContain('worker.awaits-room');
    room = FREE;
    await waiting;
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(['worker.awaits-room', 'worker.has-room']);
    const stopped = awaitRoom({ room: FULL, log, health }, 1, stop.signal);
    stop.abort();
    await stopped;
  });
});
