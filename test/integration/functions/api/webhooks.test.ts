import type { LookupFunction } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { notifyOnce } from '../../../../functions/notify/notify.ts';
import { createGuardedFetch } from '../../../../shared/adapters/node/guarded-fetch.ts';
import { verifyWebhook } from '../../../../shared/webhook.ts';
import { type Answer, startReceiver } from '../../../support/receiver.ts';
import { bodyOf, createService, problemOf, type Service, submit, succeed } from '../../../support/service.ts';

interface EndpointView {
  id: string;
  url?: string;
  secret: string;
  disabled_at?: string;
  disabled_reason?: string;
}
interface DeliveryView {
  id: string;
  status: string;
  type: string;
  next_attempt_at?: string;
  attempts: { status?: number; error?: string; response?: string; milliseconds: number }[];
}

/** Where names lead, as this machine is told. */
const NAMES: Record<string, string[]> = { 'rebinding.test': ['8.8.8.8'] };
const lookup: LookupFunction = (hostname, _options, callback) => {
  const found = (NAMES[hostname] ?? ['127.0.0.1']).map((address) => ({ address, family: 4 }));
  setImmediate(() => callback(null, found));
};

let service: Service;
const receivers: { close(): void }[] = [];
const ports = [443];
const exempt: string[] = [];
beforeEach(async () => {
  service = await createService({
    outbound: createGuardedFetch({ allowHttp: true, allowHosts: exempt, ports, lookup }),
  });
});
afterEach(async () => {
  for (const receiver of receivers.splice(0)) receiver.close();
  ports.splice(1);
  exempt.splice(0);
  await service.close();
});

async function receiverOf(...answers: Answer[]) {
  const receiver = await startReceiver(...answers);
  receivers.push(receiver);
  exempt.push(receiver.host);
  ports.push(receiver.port);
  return receiver;
}
const register = (json: object) => bodyOf<EndpointView>(service.call('POST', '/v1/webhook_endpoints', { json }));
const endpointOf = (id: string) => bodyOf<EndpointView>(service.call('GET', `/v1/webhook_endpoints/${id}`));
const log = async (query = '') =>
  (await bodyOf<{ data: DeliveryView[] }>(service.call('GET', `/v1/webhook_deliveries${query}`))).data;
const deps = () => ({ ...service, outbound: service.outbound!, timeoutSeconds: 0.3 });
/** Delivers everything that is due, and again after each pause. */
async function deliver(pauses = 0): Promise<void> {
  for (let i = 0; ; i++) {
    while (await notifyOnce(deps()));
    const [pending] = (await log()).filter(({ next_attempt_at }) => next_attempt_at);
    if (i === pauses || !pending) return;
    service.clock.advance((Date.parse(pending.next_attempt_at!) - service.now()) / 1000);
  }
}

test('the log, and the deliveries that can be sent again, are those of the mode of the key', async () => {
  const { url } = await receiverOf(200);
  const { id } = await register({ url });
  const scopes = ['jobs:write', 'uploads:write', 'webhooks:manage'];
  const created = service.call('POST', '/v1/keys', { json: { name: 'test', test: true, scopes } });
  const { key } = await bodyOf<{ key: string }>(created);
  await succeed(service, (await submit(service)).id);
  const [live] = await log();
  const ping = await bodyOf<DeliveryView>(service.call('POST', `/v1/webhook_endpoints/${id}/ping`, { key }));
  const ofTest = await bodyOf<{ data: DeliveryView[] }>(service.call('GET', '/v1/webhook_deliveries', { key }));
  expect(ofTest.data.map((delivery) => delivery.id)).toEqual([ping.id]);
  expect((await log()).map((delivery) => delivery.id)).toEqual([live!.id]);
  const replay = (delivery: DeliveryView, secret: string) =>
    service.call('POST', `/v1/webhook_deliveries/${delivery.id}/replay`, { key: secret });
  expect((await replay(live!, key)).status).toBe(404);
  expect((await replay(ping, service.secret)).status).toBe(404);
  expect((await replay(ping, key)).status).toBe(202);
});

describe('delivery', () => {
  test('a job that ends is told once, signed so that the official package accepts it', async () => {
    const { url, received } = await receiverOf(200);
    const { id, secret } = await register({ url });
    const job = await submit(service, undefined, { client_reference: 'mine' });
    await succeed(service, job.id);
    await deliver();
    expect(received).toHaveLength(1);
    const [{ method, path, headers, body }] = received as [(typeof received)[number]];
    expect({ method, path, type: headers['content-type'] }).toEqual({
      method: 'POST',
      path: '/hook',
      type: 'application/json',
    });
    expect(headers['webhook-timestamp']).toBe(String(service.now() / 1000));
    expect(headers.traceparent).toBe((await service.state.getJob(job.id))?.trace?.traceparent);
    expect(headers.traceparent).toBeDefined();
    const all = new Headers(headers as Record<string, string>);
    expect(await verifyWebhook({ secret, headers: all, body, now: service.now() })).toBe(true);
    const again = await new Webhook(secret).sign(headers['webhook-id'] as string, new Date(service.now()), body);
    expect(headers['webhook-signature']).toBe(again);
    expect(JSON.parse(body)).toMatchObject({ type: 'job.succeeded', data: { id: job.id, client_reference: 'mine' } });
    const [delivery] = await log(`?job_id=${job.id}`);
    expect(delivery).toMatchObject({ status: 'delivered', endpoint_id: id, attempts: [{ status: 200 }] });
    expect(delivery?.id).toBe(headers['webhook-id']);
  });

  test('500 three times, then 200: one id, four signatures, a complete log', async () => {
    const failing = { status: 500, body: `broken ${'x'.repeat(5000)}` };
    const { url, received } = await receiverOf(failing, failing, failing, 200);
    await register({ url });
    await succeed(service, (await submit(service)).id);
    await deliver(3);
    expect(received).toHaveLength(4);
    expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expect(new Set(received.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(4);
    expect(new Set(received.map(({ headers }) => headers['webhook-signature'])).size).toBe(4);
    const [delivery] = await log();
    expect(delivery?.status).toBe('delivered');
    expect(delivery?.attempts.map(({ status }) => status)).toEqual([500, 500, 500, 200]);
    expect(delivery?.attempts[0]?.response).toBe(failing.body.slice(0, 1024));
  });

  test('a redirect is a failure and is not followed', async () => {
    const other = await receiverOf(200);
    const { url } = await receiverOf({ status: 301, headers: { Location: other.url } }, 200);
    await register({ url });
    await succeed(service, (await submit(service)).id);
    await deliver(1);
    expect(other.received).toEqual([]);
    const [delivery] = await log();
    expect(delivery?.attempts[0]).toMatchObject({ status: 301, error: 'Status 301: redirects are not followed.' });
    expect(delivery?.status).toBe('delivered');
  });

  test('410 disables the endpoint, which takes later events only when it is enabled again', async () => {
    const { url, received } = await receiverOf(410, 200);
    const { id } = await register({ url });
    await succeed(service, (await submit(service)).id);
    await deliver(9);
    expect(received).toHaveLength(1);
    expect((await log())[0]?.status).toBe('failed');
    const disabled_at = new Date(service.now()).toISOString();
    expect(await endpointOf(id)).toMatchObject({ disabled_at, disabled_reason: 'The receiver answered 410 Gone.' });
    const told = () => service.lines.filter((line) => line.includes('"endpoint.disabled"'));
    expect(told()).toHaveLength(1);
    service.clock.advance(1);
    await succeed(service, (await submit(service)).id);
    await deliver();
    expect(received).toHaveLength(1);
    expect(told()).toHaveLength(1);
    const ping = await service.call('POST', `/v1/webhook_endpoints/${id}/ping`);
    expect((await problemOf(ping)).code).toBe('conflict');
    const enabled = await bodyOf<EndpointView>(service.call('POST', `/v1/webhook_endpoints/${id}/enable`));
    expect(enabled).not.toHaveProperty('disabled_at');
    await succeed(service, (await submit(service)).id);
    await deliver();
    expect(received).toHaveLength(2);
  });

  test('a receiver that hangs is given up on in time and tried again', async () => {
    const { url, host } = await receiverOf('hang', 204);
    await register({ url });
    await succeed(service, (await submit(service)).id);
    await deliver(1);
    const [delivery] = await log();
    expect(delivery?.attempts).toMatchObject([{ error: `${host} did not answer within 0.3 s.` }, { status: 204 }]);
    expect(delivery?.status).toBe('delivered');
  });

  test('a busy receiver is left alone for as long as it says', async () => {
    const { url } = await receiverOf({ status: 429, headers: { 'Retry-After': '77' } }, 200);
    await register({ url });
    await succeed(service, (await submit(service)).id);
    await deliver();
    expect(Date.parse((await log())[0]!.next_attempt_at!) - service.now()).toBe(77_000);
  });

  test('a name that leads into a private network, always or from now on, gets nothing', async () => {
    const { port, received } = await receiverOf(200);
    for (const name of ['inner.test', 'rebinding.test']) await register({ url: `http://${name}:${port}/` });
    NAMES['rebinding.test'] = ['127.0.0.1'];
    await succeed(service, (await submit(service)).id);
    await deliver(2);
    expect(received).toEqual([]);
    const deliveries = await log();
    expect(deliveries).toHaveLength(2);
    for (const { attempts, status } of deliveries) {
      expect(status).toBe('pending');
      expect(attempts.length).toBeGreaterThan(1);
      for (const { error } of attempts) expect(error).toMatch(/\.test leads to an address that is not public\.$/);
    }
  });

  test('a process that dies between sending and noting sends the same id again', async () => {
    const { url, received } = await receiverOf(200);
    await register({ url });
    await succeed(service, (await submit(service)).id);
    const dying = { ...deps(), state: { ...service.state, recordAttempt: () => Promise.reject(new Error('killed')) } };
    await expect(notifyOnce(dying)).rejects.toThrow('killed');
    await deliver();
    expect(received).toHaveLength(1);
    service.clock.advance(181);
    await deliver();
    expect(received).toHaveLength(2);
    expect(received[1]?.headers['webhook-id']).toBe(received[0]?.headers['webhook-id']);
    expect(await log()).toHaveLength(1);
  });
});

describe('endpoints', () => {
  test('are created, shown without secret, removed', async () => {
    const created = await register({ url: 'https://example.com/hook', description: 'shop', events: ['job.started'] });
    expect(created.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const { secret, ...shown } = created;
    expect(await endpointOf(created.id)).toEqual(shown);
    const { data } = await bodyOf<{ data: unknown[] }>(service.call('GET', '/v1/webhook_endpoints'));
    expect(data).toEqual([shown]);
    const path = `/v1/webhook_endpoints/${created.id}`;
    expect(await bodyOf(service.call('GET', `${path}/secret`))).toEqual({ secrets: [{ secret }] });
    const { secret: stranger } = await service.newKey('acc_two');
    for (const [method, of] of [
      ['GET', ''],
      ['GET', '/secret'],
      ['POST', '/ping'],
      ['DELETE', ''],
    ] as const) {
      expect((await service.call(method, `${path}${of}`, { key: stranger })).status).toBe(404);
    }
    expect((await service.call('DELETE', path)).status).toBe(204);
    expect((await service.call('GET', path)).status).toBe(404);
  });

  test('need the scope', async () => {
    const { secret: key } = await service.newKey('acc_one', ['jobs:read']);
    for (const path of ['/v1/webhook_endpoints', '/v1/webhook_deliveries']) {
      expect((await service.call('GET', path, { key })).status).toBe(403);
    }
  });

  test.each(['http://127.0.0.1/', 'https://[::1]/', 'ftp://example.com/', 'https://u:p@example.com/', 'x'])(
    'refuse the URL %s',
    async (url) => {
      const response = await service.call('POST', '/v1/webhook_endpoints', { json: { url } });
      expect(await problemOf(response)).toMatchObject({ status: 422, code: 'url-refused' });
    },
  );

  test('rotate their secret without a gap', async () => {
    const { url, received } = await receiverOf(200);
    const { id, secret } = await register({ url });
    const path = `/v1/webhook_endpoints/${id}`;
    const json = { overlap_seconds: 3600 };
    const { secrets } = await bodyOf<{ secrets: { secret: string }[] }>(
      service.call('POST', `${path}/rotate_secret`, { json }),
    );
    expect(secrets.map((known) => known.secret)).toEqual([expect.stringMatching(/^whsec_/), secret]);
    await service.call('POST', `${path}/ping`);
    await deliver();
    service.clock.advance(3601);
    await service.call('POST', `${path}/ping`);
    await deliver();
    const signatures = received.map(({ headers }) => String(headers['webhook-signature']).split(' ').length);
    expect(signatures).toEqual([2, 1]);
  });

  test('are pinged, and a delivery can be sent once more with its id', async () => {
    const { url, received } = await receiverOf(400, 200);
    const { id } = await register({ url });
    const response = await service.call('POST', `/v1/webhook_endpoints/${id}/ping`);
    expect(response.status).toBe(202);
    const ping = await bodyOf<DeliveryView>(response);
    expect(ping).toMatchObject({ type: 'webhook.ping', status: 'pending', attempts: [] });
    await deliver();
    const replay = await service.call('POST', `/v1/webhook_deliveries/${ping.id}/replay`);
    expect(replay.status).toBe(202);
    await deliver();
    expect(received.map(({ headers }) => headers['webhook-id'])).toEqual([ping.id, ping.id]);
    expect(JSON.parse(received[0]!.body)).toMatchObject({ type: 'webhook.ping', data: { endpoint_id: id } });
    const { secret: stranger } = await service.newKey('acc_two');
    const path = `/v1/webhook_deliveries/${ping.id}/replay`;
    expect((await service.call('POST', path, { key: stranger })).status).toBe(404);
  });
});

describe('one job', () => {
  test('can have a URL of its own, signed by the endpoint without URL', async () => {
    const { url, received } = await receiverOf(200);
    const job = await submit(service, undefined, { webhook: { url, events: ['job.started', 'job.succeeded'] } });
    const { data } = await bodyOf<{ data: EndpointView[] }>(service.call('GET', '/v1/webhook_endpoints'));
    expect(data).toHaveLength(1);
    expect(data[0]).not.toHaveProperty('url');
    await succeed(service, job.id);
    await deliver();
    expect(received.map(({ body }) => JSON.parse(body).type).toSorted()).toEqual(['job.started', 'job.succeeded']);
    const path = `/v1/webhook_endpoints/${data[0]!.id}/secret`;
    const { secrets } = await bodyOf<{ secrets: { secret: string }[] }>(service.call('GET', path));
    const headers = new Headers(received[0]!.headers as Record<string, string>);
    const { body } = received[0]!;
    expect(await verifyWebhook({ secret: secrets[0]!.secret, headers, body, now: service.now() })).toBe(true);
    expect(JSON.stringify(await log())).not.toContain(url);
  });

  test('refuses addresses that lead nowhere, before anything is stored', async () => {
    const uploadId = (await submit(service)).upload_id;
    const other = await bodyOf<EndpointView>(
      service.call('POST', '/v1/webhook_endpoints', {
        json: { url: 'https://example.com/' },
        key: (await service.newKey('acc_two')).secret,
      }),
    );
    for (const [webhook, status, code] of [
      [{ url: 'http://10.0.0.1/' }, 422, 'url-refused'],
      [{ endpoint_id: other.id }, 404, 'not-found'],
      [{}, 422, 'invalid'],
      [{ url: 'https://example.com/', endpoint_id: other.id }, 422, 'invalid'],
      [{ url: 'https://example.com/', events: ['job.unknown'] }, 422, 'invalid'],
    ] as const) {
      const json = { input: { upload_id: uploadId }, webhook };
      const response = await service.call('POST', '/v1/jobs', { json });
      expect(await problemOf(response)).toMatchObject({ status, code });
    }
    const { data } = await bodyOf<{ data: unknown[] }>(service.call('GET', '/v1/jobs'));
    expect(data).toHaveLength(1);
  });
});

test('nothing secret is in the log of the service', async () => {
  const { url } = await receiverOf(500);
  const { secret } = await register({ url: `${url}?token=hush` });
  await succeed(service, (await submit(service)).id);
  await deliver();
  const lines = service.lines.join('\n');
  expect(lines).toContain('delivery.attempt');
  for (const word of [secret, 'hush', service.secret]) expect(lines).not.toContain(word);
});
