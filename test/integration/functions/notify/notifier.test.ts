import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { notifyDue, runNotifier } from '../../../../functions/notify/notify.ts';
import { createGuardedFetch } from '../../../../shared/adapters/node/guarded-fetch.ts';
import type { Delivery } from '../../../../shared/delivery.ts';
import { PATIENCE_MILLISECONDS } from '../../../support/patience.ts';
import { startReceiver } from '../../../support/receiver.ts';
import { bodyOf, createService, pngOf, type Service, submit, succeed } from '../../../support/service.ts';

/** The notifier as it runs, with addresses that take a connection and never answer. */

let service: Service;
let stop: AbortController;
let tarpit: { server: Server; sockets: Set<Socket>; url: string };
const receivers: { close(): void }[] = [];
const poll = { timeout: PATIENCE_MILLISECONDS };

beforeEach(async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  tarpit = { server, sockets, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const outbound = createGuardedFetch({ allowHttp: true, allowHosts: ['127.0.0.1'] });
  service = await createService({ outbound });
  stop = new AbortController();
});
afterEach(async () => {
  for (const receiver of receivers.splice(0)) receiver.close();
  await service.close();
});

const deps = () => ({ ...service, outbound: service.outbound! });
/** Hanging connections are reset, so that nothing is under way any more. */
async function end(notifier: Promise<void>): Promise<void> {
  stop.abort();
  tarpit.server.close();
  for (const socket of tarpit.sockets) socket.destroy();
  await notifier;
}
async function receiverOf(answer: Parameters<typeof startReceiver>[0]) {
  const receiver = await startReceiver(answer);
  receivers.push(receiver);
  return receiver;
}
const slowPhotos = (count: number, key = service.secret) =>
  service.call('POST', '/v1/batches', {
    json: { items: Array.from({ length: count }, (_, i) => ({ input: { url: `${tarpit.url}/${i}` } })) },
    key,
  });

describe('while addresses of one customer never answer', () => {
  test('photos, webhooks and results of others go at once, and so do his own webhooks', async () => {
    const other = (await service.newKey('acc_two')).secret;
    expect((await slowPhotos(100)).status).toBe(201);
    const hook = await receiverOf(200);
    const json = { url: hook.url };
    for (const key of [service.secret, other]) await service.call('POST', '/v1/webhook_endpoints', { json, key });
    const notifier = runNotifier(deps(), stop.signal);
    await expect.poll(() => tarpit.sockets.size, poll).toBeGreaterThanOrEqual(40);

    const photo = await receiverOf({ status: 200, body: await pngOf(20, 10) });
    const input = { url: photo.url };
    const { id } = await bodyOf<{ id: string }>(service.call('POST', '/v1/jobs', { json: { input }, key: other }));
    await expect.poll(async () => (await service.state.getJob(id))?.status, poll).toBe('queued');
    await succeed(service, id);
    await expect.poll(() => hook.received.length, poll).toBe(1);
    await succeed(service, (await submit(service)).id);
    await expect.poll(() => hook.received.length, poll).toBe(2);
    // The hanging connections have hung all the time.
    expect(tarpit.sockets.size).toBeLessThanOrEqual(50);
    await end(notifier);
  });

  test('photos of an end user do not wait for those of another', async () => {
    const tokenOf = async (end_user: string) => {
      const json = { end_user, max_jobs: 100 };
      return (await bodyOf<{ token: string }>(service.call('POST', '/v1/client_tokens', { json }))).token;
    };
    const [hostile, other] = [await tokenOf('hostile'), await tokenOf('other')];
    const submitBy = async (key: string, url: string, i: number) => {
      const headers = { 'Idempotency-Key': `${i}` };
      return bodyOf<{ id: string }>(service.call('POST', '/v1/jobs', { json: { input: { url } }, key, headers }));
    };
    for (let i = 0; i < 60; i++) await submitBy(hostile, `${tarpit.url}/${i}`, i);
    const notifier = runNotifier(deps(), stop.signal);
    await expect.poll(() => tarpit.sockets.size, poll).toBeGreaterThanOrEqual(30);
    const photo = await receiverOf({ status: 200, body: await pngOf(20, 10) });
    const { id } = await submitBy(other, photo.url, 0);
    await expect.poll(async () => (await service.state.getJob(id))?.status, poll).toBe('queued');
    await end(notifier);
  });

  test('a function that was woken goes on with later events, and ends when nothing is under way', async () => {
    expect((await slowPhotos(5)).status).toBe(201);
    const woken = notifyDue(deps(), stop.signal, 4);
    await expect.poll(() => tarpit.sockets.size, poll).toBeGreaterThanOrEqual(2);
    const photo = await receiverOf({ status: 200, body: await pngOf(20, 10) });
    const { id } = await bodyOf<{ id: string }>(
      service.call('POST', '/v1/jobs', {
        json: { input: { url: photo.url } },
        key: (await service.newKey('acc_two')).secret,
      }),
    );
    await expect.poll(async () => (await service.state.getJob(id))?.status, poll).toBe('queued');
    await end(woken);
  });
});

test('an attempt that throws ends no other, and is told at the end', async () => {
  const hook = await receiverOf(200);
  await service.call('POST', '/v1/webhook_endpoints', { json: { url: hook.url } });
  for (let i = 0; i < 3; i++) await succeed(service, (await submit(service)).id);
  let recorded = 0;
  const recordAttempt: typeof service.state.recordAttempt = async (...given) => {
    if (recorded++ === 0) throw new Error('The first is lost.');
    return service.state.recordAttempt(...given);
  };
  const flaky = { ...deps(), state: { ...service.state, recordAttempt } };
  await expect(notifyDue(flaky, stop.signal, 4)).rejects.toThrow('The first is lost.');
  expect(hook.received).toHaveLength(3);
  const log = await service.state.listDeliveries({ account: 'acc_one', test: false, limit: 10 });
  const statuses = log.deliveries.map(({ status }: Delivery) => status).toSorted();
  expect(statuses).toEqual(['delivered', 'delivered', 'pending']);
  expect(service.lines.filter((line) => line.includes('notify.failed'))).toHaveLength(1);
});

test.each([
  ['is full', 13],
  ['has a broken device', 1034],
  ['is locked', 5],
])(
  'the result of an attempt is told again where the database %s: its receiver gets no second message',
  async (_, errcode) => {
    const hook = await receiverOf(200);
    await service.call('POST', '/v1/webhook_endpoints', { json: { url: hook.url } });
    await succeed(service, (await submit(service)).id);
    let refusals = 2;
    const recordAttempt: typeof service.state.recordAttempt = async (...given) => {
      if (refusals-- > 0) throw Object.assign(new Error('refused'), { code: 'ERR_SQLITE_ERROR', errcode });
      return service.state.recordAttempt(...given);
    };
    await notifyDue({ ...deps(), state: { ...service.state, recordAttempt } }, stop.signal, 4);
    const { deliveries } = await service.state.listDeliveries({ account: 'acc_one', test: false, limit: 10 });
    expect(deliveries).toMatchObject([{ status: 'delivered', tries: 1 }]);
    expect(hook.received).toHaveLength(1);
  },
);

describe('attempts that are cut off every time, by the end of their function or process', () => {
  /** Claims and does nothing more, until nothing is due; then the notifier has its turn. */
  async function cutOff(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      while (await service.state.claimDelivery());
      service.clock.advance(181);
    }
    await notifyDue(deps(), stop.signal, 4);
  }
  const log = async () =>
    (await service.state.listDeliveries({ account: 'acc_one', test: false, limit: 10 })).deliveries;

  test('give a webhook up, and blame no receiver', async () => {
    const hook = await receiverOf(200);
    const { id } = await bodyOf<{ id: string }>(
      service.call('POST', '/v1/webhook_endpoints', { json: { url: hook.url } }),
    );
    await succeed(service, (await submit(service)).id);
    await cutOff(5);
    expect(hook.received).toEqual([]);
    expect((await log())[0]).toMatchObject({ status: 'failed', attempts: { length: 6 } });
    expect(await service.state.getEndpoint('acc_one', id)).not.toHaveProperty('disabled_at');
    await service.state.replayDelivery('acc_one', (await log())[0]!.id);
    await notifyDue(deps(), stop.signal, 4);
    expect(hook.received).toHaveLength(1);
    expect((await log())[0]).toMatchObject({ status: 'delivered' });
  });

  test('fail the job whose photo should have come, and charge nothing', async () => {
    const photo = await receiverOf({ status: 200, body: await pngOf(20, 10) });
    const json = { input: { url: photo.url } };
    const { id } = await bodyOf<{ id: string }>(service.call('POST', '/v1/jobs', { json }));
    await cutOff(5);
    expect(photo.received).toEqual([]);
    expect(await service.state.getJob(id)).toMatchObject({
      status: 'failed',
      error: { code: 'fetch-failed', charged: false },
    });
  });

  test('leave the result where it is, and say so', async () => {
    const target = await receiverOf(200);
    const { id } = await submit(service, undefined, { deliver: { url: target.url } });
    await succeed(service, id);
    await cutOff(5);
    expect(target.received).toEqual([]);
    const delivery = { status: 'failed', detail: 'The attempt was cut off on our side.' };
    expect(await service.state.getJob(id)).toMatchObject({ status: 'succeeded', delivery });
  });

  test('are tried again where it was four times', async () => {
    const hook = await receiverOf(200);
    await service.call('POST', '/v1/webhook_endpoints', { json: { url: hook.url } });
    await succeed(service, (await submit(service)).id);
    await cutOff(4);
    expect(hook.received).toHaveLength(1);
    expect((await log())[0]).toMatchObject({ status: 'delivered', tries: 1 });
    expect(service.lines.filter((line) => line.includes('delivery.cut-off'))).toHaveLength(1);
  });
});
