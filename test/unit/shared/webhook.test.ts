import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { createWebhookSecret, signWebhook, verifyWebhook } from '../../../shared/webhook.ts';

/** The vectors of the reference implementations of Standard Webhooks, and one in the shape of our messages. */
const VECTORS = [
  {
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestamp: 1_614_265_330,
    body: '{"test": 2432232314}',
    signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  },
  {
    secret: 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
    id: 'msg_01J9Z3K8T2Q4M6N8P0R2S4T6V8',
    timestamp: 1_767_225_600,
    body: '{"type":"job.succeeded","timestamp":"2026-01-01T00:00:00.000Z","data":{"id":"job_01J9Z3K7","status":"succeeded"}}',
    signature: 'v1,jcNmDX6bt4cyrglBDLOIvQJtI2Zbmo4eg368DSpcpEQ=',
  },
];

const headersOf = (id: string, timestamp: number, signature: string) => ({
  'webhook-id': id,
  'webhook-timestamp': String(timestamp),
  'webhook-signature': signature,
});

test.each(VECTORS)('signs $id as published', async ({ secret, id, timestamp, body, signature }) => {
  expect(await signWebhook([secret], { id, timestamp, body })).toBe(signature);
  const headers = new Headers(headersOf(id, timestamp, signature));
  expect(await verifyWebhook({ secret, headers, body, now: timestamp * 1000 })).toBe(true);
});

describe('with the official package', () => {
  const timestamp = Math.floor(Date.now() / 1000);
  const message = { id: 'msg_1', timestamp, body: '{"type":"job.succeeded","data":{"name":"ä🐕"}}' };

  test('it verifies our signature, with either secret of a rotation and with no other', async () => {
    const [older, newer, other] = [createWebhookSecret(), createWebhookSecret(), createWebhookSecret()];
    const signature = await signWebhook([newer, older], message);
    expect(signature.split(' ')).toHaveLength(2);
    const headers = headersOf(message.id, timestamp, signature);
    for (const secret of [older, newer]) {
      expect(new Webhook(secret).verify(message.body, headers)).toEqual(JSON.parse(message.body));
    }
    expect(() => new Webhook(other).verify(message.body, headers)).toThrow();
  });

  test('we verify its signature', async () => {
    const secret = createWebhookSecret();
    const signature = new Webhook(secret).sign(message.id, new Date(timestamp * 1000), message.body);
    const headers = new Headers(headersOf(message.id, timestamp, signature));
    expect(await verifyWebhook({ secret, headers, body: message.body })).toBe(true);
  });
});

describe('refuses', () => {
  const [{ secret, id, timestamp, body, signature }] = VECTORS as [(typeof VECTORS)[number]];
  const verify = (changes: Record<string, string>, more: { body?: string; now?: number } = {}) => {
    const given = Object.entries({ ...headersOf(id, timestamp, signature), ...changes }).filter(([, value]) => value);
    return verifyWebhook({ secret, headers: new Headers(given), body, now: timestamp * 1000, ...more });
  };

  test('another body, id, time or version, and a text that is no signature', async () => {
    expect(await verify({})).toBe(true);
    expect(await verify({}, { body: `${body} ` })).toBe(false);
    for (const [name, value] of [
      ['webhook-id', 'msg_2'],
      ['webhook-id', ''],
      ['webhook-timestamp', String(timestamp + 1)],
      ['webhook-timestamp', ''],
      ['webhook-timestamp', 'now'],
      ['webhook-signature', signature.replace('v1,', 'v2,')],
      ['webhook-signature', 'v1,'],
      ['webhook-signature', 'v1,*'],
      ['webhook-signature', ''],
    ] as const) {
      expect(await verify({ [name]: value }), `${name}: ${value}`).toBe(false);
    }
    expect(await verify({ 'webhook-signature': `v1,AAAA v1a,xyz ${signature}` })).toBe(true);
  });

  test('messages that are more than five minutes old or early', async () => {
    expect(await verify({}, { now: (timestamp + 300) * 1000 })).toBe(true);
    expect(await verify({}, { now: (timestamp + 301) * 1000 })).toBe(false);
    expect(await verify({}, { now: (timestamp - 301) * 1000 })).toBe(false);
  });
});
