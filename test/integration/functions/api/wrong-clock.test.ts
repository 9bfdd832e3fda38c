import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reap } from '../../../../functions/reap/reap.ts';
import { createClock } from '../../../../local/clock.ts';
import { keepClock, openClock } from '../../../../local/data-clock.ts';
import { openStores } from '../../../../local/stores.ts';
import type { FileObjectStore } from '../../../../shared/adapters/local/file-object-store.ts';
import type { JobView } from '../../../../shared/api.ts';
import { MAX_RETENTION_HOURS, UPLOAD_RETENTION_SECONDS } from '../../../../shared/limits.ts';
import { createLog } from '../../../../shared/log.ts';
import {
  announce,
  bodyOf,
  createService,
  pngOf,
  type Service,
  send,
  submit,
  succeed,
  upload,
} from '../../../support/service.ts';

/** While the clock of the machine is wrong, nothing that somebody has paid for, sent or been given is over. */

const YEAR = 365 * 86_400;
const log = createLog('info', () => {});

let directory: string;
let service: Service;
let objects: FileObjectStore;
/** In milliseconds; `wrong` is added to them for the wall clock. */
let ran: number;
let wrong: number;
let close: () => Promise<void>;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-clock-'));
  ran = 0;
  wrong = 0;
  const began = Date.now();
  const steady = () => ran / 1000;
  const clock = createClock({
    log,
    machine: { wall: () => began + ran + wrong, steady, uptime: steady, boot: 'this' },
  });
  const { now } = clock;
  const stores = openStores(directory, { now });
  const { database, state, queue, deadLetters } = stores;
  objects = stores.objects;
  service = Object.assign(await createService({ state, objects, queue, now }), { deadLetters });
  close = async () => {
    await service.close();
    database.close();
    await rm(directory, { recursive: true, force: true });
  };
});
afterEach(() => close());

const sweep = () => reap({ ...service, mayErase: () => true });
const statusOf = async (path: string, key?: string) =>
  (await service.call('GET', path, key === undefined ? {} : { key })).status;

describe.each([
  ['next week', 8 * 86_400],
  ['next year', YEAR],
  ['1970', -Math.floor(Date.now() / 1000)],
  ['last year', -YEAR],
])('%s', (_, seconds) => {
  test('ends, erases and refuses nothing, and nothing is held up', async () => {
    const done = await submit(service, undefined, { retention_hours: 1 });
    const { key } = await succeed(service, done.id);
    const unused = await upload(service);
    const awaiting = await announce(service, await pngOf(20, 10));
    const late = await submit(service, awaiting);
    const headers = { 'Cancel-After': '10m' };
    const json = { input: { upload_id: await upload(service) } };
    const deadline = await bodyOf<JobView>(service.call('POST', '/v1/jobs', { json, headers }));
    const link = await bodyOf<{ url: string }>(service.call('GET', `/v1/jobs/${done.id}/output?redirect=false`));
    const lasting = await service.newKey('acc_one', undefined, new Date(service.now() + 3_600_000).toISOString());

    wrong = seconds * 1000;
    ran = 60_000;
    await sweep();
    const running = await submit(service); // meanwhile
    const message = await service.queue.receive({ visibilitySeconds: 90, waitSeconds: 0 });
    await service.queue.extend(message!.receipt, 5);
    expect(await statusOf(`/v1/jobs/${done.id}/output?redirect=false`, lasting.secret)).toBe(200);
    const request = new Request(new URL(link.url, 'http://localhost'));
    expect(() => objects.verifySignedRequest(request)).not.toThrow();

    wrong = 0;
    ran += 60_000;
    await sweep();
    expect(await service.objects.head(key)).not.toBeNull();
    expect(await service.state.getUpload(unused)).not.toBeNull();
    await send(service, awaiting, await pngOf(20, 10));
    const statuses = [late, deadline, running].map(async ({ id }) => (await service.state.getJob(id))!.status);
    expect(await Promise.all(statuses)).toEqual(['awaiting_upload', 'queued', 'queued']);
    expect(await service.queue.receive({ visibilitySeconds: 90, waitSeconds: 0 })).toMatchObject({
      jobId: message!.jobId,
    });
  });
});

test('after a start of the machine nothing is over by its clock, but requested work is done', async () => {
  const done = await submit(service, undefined, { retention_hours: 1 });
  const { key } = await succeed(service, done.id);
  const stale = await upload(service);
  const never = await submit(service, await announce(service, await pngOf(20, 10)));
  const headers = { 'Cancel-After': '10m' };
  const json = { input: { upload_id: await upload(service) } };
  const deadline = await bodyOf<JobView>(service.call('POST', '/v1/jobs', { json, headers }));
  const deleted = await submit(service);
  const { key: unwanted } = await succeed(service, deleted.id);
  await service.state.updateJob(deleted.id, { type: 'delete' });
  const later = service.now() + (Math.max(MAX_RETENTION_HOURS * 3600, UPLOAD_RETENTION_SECONDS) + 10) * 1000;
  const stores = openStores(directory, { now: () => later });
  const deps = { ...service, ...stores, now: () => later };
  await reap({ ...deps, mayErase: () => false });
  expect(await service.objects.head(key)).not.toBeNull();
  expect(await service.objects.head(unwanted)).toBeNull();
  expect(await service.state.getUpload(stale)).not.toBeNull();
  const statusNow = async ({ id }: JobView) => (await service.state.getJob(id))!.status;
  expect([await statusNow(never), await statusNow(deadline)]).toEqual(['awaiting_upload', 'queued']);
  await reap({ ...deps, mayErase: () => true });
  expect(await service.objects.head(key)).toBeNull();
  expect(await service.state.getUpload(stale)).toBeNull();
  expect([await statusNow(never), await statusNow(deadline)]).toEqual(['expired', 'failed']);
  stores.database.close();
});

test('the time outlives the process; a record that is cut off is none', async () => {
  const own = await mkdtemp(join(directory, 'own-'));
  const path = join(own, 'clock.json');
  await keepClock(openClock(own, log), own, log).end();
  const record = JSON.parse(await readFile(path, 'utf8'));
  const events = (): string[] => {
    const told: string[] = [];
    openClock(
      own,
      createLog('info', (line) => told.push(JSON.parse(line).event)),
    ).now();
    return told;
  };
  expect(events()).toEqual([]);
  await writeFile(path, JSON.stringify({ ...record, time: record.time - 86_400_000 }));
  expect(events()).toEqual([record.boot === '' ? 'clock.unsettled' : 'clock.stepped']);
  await writeFile(path, JSON.stringify({ ...record, time: record.time - 86_400_000, boot: 'another' }));
  expect(events()).toEqual(['clock.unsettled']);
  await writeFile(path, '{"time":');
  expect(events()).toEqual([]);
});
