import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { open, seal } from '../../../../functions/api/sealed.ts';
import type { FileObjectStore } from '../../../../shared/adapters/local/file-object-store.ts';
import { createId } from '../../../../shared/id.ts';
import { EVENTS_LINK_SECONDS, UPLOAD_URL_SECONDS } from '../../../../shared/limits.ts';
import { PRICE_LISTS } from '../../../../shared/pricing.ts';
import { SAMPLE_OUTPUT, SAMPLE_RUN } from '../../../support/sample-job.ts';
import { bodyOf, createService, type Service, submit, upload } from '../../../support/service.ts';

/** Everything that the service signs or seals, in the hands of somebody else, for something else, altered, and too late. */

let service: Service;
/** Secrets of callers of one account in both modes, of two end users, and of another account. */
let callers: Record<'live' | 'test' | 'userOne' | 'userTwo' | 'testUser' | 'stranger', string>;
type Who = keyof typeof callers;
const WHO: Who[] = ['live', 'test', 'userOne', 'userTwo', 'testUser', 'stranger'];

beforeAll(async () => {
  service = await createService({ prices: PRICE_LISTS.standard });
  for (const account of ['acc_one', 'acc_two']) {
    await service.state.topUp({ account, amount: 100_000_000, payment: 'first' });
  }
  const post = (path: string, json: object, key?: string) =>
    bodyOf<{ key: string; token: string }>(service.call('POST', path, { json, ...(key && { key }) }));
  const tokenOf = async (end_user: string, key?: string) =>
    (await post('/v1/client_tokens', { end_user, max_jobs: 100 }, key)).token;
  const test = (await post('/v1/keys', { name: 'test', test: true, scopes: [...SCOPES] })).key;
  callers = {
    live: service.secret,
    test,
    userOne: await tokenOf('user-1'),
    userTwo: await tokenOf('user-2'),
    testUser: await tokenOf('user-1', test),
    stranger: (await service.newKey('acc_two')).secret,
  };
  for (const who of WHO) {
    uploads[who] = await upload(service, undefined, callers[who]);
    for (let i = 0; i < 2; i++) await jobOf(who);
  }
});
afterAll(() => service.close());

const SCOPES = ['uploads:write', 'jobs:write', 'jobs:read', 'tokens:create', 'webhooks:manage'] as const;
const PHOTO = { width: 20, height: 10 };
const uploads = {} as Record<Who, string>;
let requests = 0;

async function call(who: Who, method: string, path: string, json?: object) {
  const headers = { 'Idempotency-Key': `request-${requests++}` };
  const response = await service.call(method, path, { json, headers, key: callers[who] });
  return { status: response.status, body: await bodyOf<Record<string, string>>(response) };
}
const jobOf = async (who: Who, more: object = {}) =>
  call(who, 'POST', '/v1/jobs', { input: { upload_id: uploads[who] }, model: 'real-esrgan', ...more });
/** `taken`, or why not. */
const outcome = ({ status, body }: { status: number; body: Record<string, string> }) =>
  status < 300 ? 'taken' : body.code!;

interface Thing {
  issue(who: Who): Promise<string>;
  use(text: string, who: Who): Promise<string>;
  refusal: string;
}

const QUOTE: Thing = {
  issue: async (who) => (await call(who, 'POST', '/v1/quotes', { input: PHOTO, model: 'real-esrgan' })).body.id!,
  use: async (quote_id, who) => outcome(await jobOf(who, { quote_id })),
  refusal: 'quote-invalid',
};
const CURSOR: Thing = {
  issue: async (who) => (await call(who, 'GET', '/v1/jobs?limit=1')).body.next_cursor!,
  use: async (cursor, who) => outcome(await call(who, 'GET', `/v1/jobs?cursor=${encodeURIComponent(cursor)}`)),
  refusal: 'malformed',
};
const DELIVERIES: Thing = {
  issue: async (who) => (await call(who, 'GET', '/v1/webhook_deliveries?limit=1')).body.next_cursor!,
  use: async (cursor, who) =>
    outcome(await call(who, 'GET', `/v1/webhook_deliveries?cursor=${encodeURIComponent(cursor)}`)),
  refusal: 'malformed',
};

/** Whether `user` may use a thing that `owner` was given. */
function mayUse(user: Who, owner: Who, exactly: boolean): boolean {
  if (user === owner) return true;
  // A key has all that its tokens have.
  const ofKey: Partial<Record<Who, Who[]>> = { live: ['userOne', 'userTwo'], test: ['testUser'] };
  return !exactly && (ofKey[user]?.includes(owner) ?? false);
}

describe('in the hands of somebody else', () => {
  test.each([
    ['a quote', QUOTE, false],
    ['a cursor', CURSOR, true],
  ] as const)('%s holds in its account, its mode and for its end user', async (_name, thing, exactly) => {
    for (const owner of WHO) {
      const text = await thing.issue(owner);
      for (const user of WHO) {
        const expected = mayUse(user, owner, exactly) ? 'taken' : thing.refusal;
        expect(await thing.use(text, user), `of ${owner}, used by ${user}`).toBe(expected);
      }
    }
  });

  test('a quote of another mode or end user says so, and no job is priced by it', async () => {
    const detailOf = async (quote_id: string, who: Who) => (await jobOf(who, { quote_id })).body.detail;
    expect(await detailOf(await QUOTE.issue('test'), 'live')).toContain('given in test mode');
    expect(await detailOf(await QUOTE.issue('live'), 'test')).toContain('given in live mode');
    expect(await detailOf(await QUOTE.issue('userTwo'), 'userOne')).toContain('another end user');
    const [free, dear] = [await jobOf('test'), await jobOf('live')] as unknown as { body: { charge: object } }[];
    expect(free!.body.charge).toEqual({ state: 'reserved', amount: 0 });
    expect(dear!.body.charge).toEqual({ state: 'reserved', amount: 1000 });
  });

  test('a quote of test mode is no price for a job that awaits its file', async () => {
    const quote_id = await QUOTE.issue('test');
    const announced = await call('live', 'POST', '/v1/uploads', { bytes: 100, content_type: 'image/png' });
    const json = { input: { upload_id: announced.body.id }, model: 'real-esrgan', quote_id };
    expect(outcome(await call('live', 'POST', '/v1/jobs', json))).toBe('quote-invalid');
  });

  test('a link to events is for its job', async () => {
    const [job, other] = [(await jobOf('userOne')).body.id!, (await jobOf('userOne')).body.id!];
    const { url } = (await call('userOne', 'GET', `/v1/jobs/${job}/events_link`)).body;
    const follow = async (to: string) => {
      const response = await service.app.request(to);
      if (response.status === 200) await response.body?.cancel();
      return response.status;
    };
    expect(await follow(url!)).toBe(200);
    expect(await follow(url!.replace(job, other))).toBe(403);
  });

  test('an Idempotency-Key cannot be written so that it is one of the other mode', async () => {
    const body = { input: { upload_id: uploads.test }, scale: 2 };
    const headers = (key: string) => ({ 'Idempotency-Key': key });
    const first = await service.call('POST', '/v1/jobs', { json: body, headers: headers('k'), key: callers.test });
    expect(first.status).toBe(202);
    for (const key of ['{"test":true,"key":"k"}', '{"key":"k","test":true}', '["/v1/tags","k"]']) {
      const json = { input: { upload_id: uploads.live }, scale: 2 };
      const second = await service.call('POST', '/v1/jobs', { json, headers: headers(key) });
      expect(second.status, key).toBe(202);
      expect(second.headers.has('Idempotent-Replayed'), key).toBe(false);
    }
  });
});

/** Things for anybody, used by URL or form; `verify` throws where it does not hold. */
async function linksOf() {
  const announce = { bytes: 102, content_type: 'image/png' };
  const put = (await call('live', 'POST', '/v1/uploads', announce)).body.url!;
  const form = (await call('live', 'POST', '/v1/uploads', { ...announce, method: 'POST' })).body;
  const photo = (await jobOf('live')).body.id!;
  const get = (await call('live', 'GET', `/v1/jobs/${photo}/photo?redirect=false`)).body.url!;
  const events = (await call('live', 'GET', `/v1/jobs/${photo}/events_link`)).body.url!;
  return { put, get, events, fields: form.fields as unknown as Record<string, string> };
}
const files = () => service.objects as FileObjectStore;
const PUT_HEADERS = new Headers({ 'content-length': '102', 'content-type': 'image/png', 'if-none-match': '*' });
const holds = (method: string, url: string) => {
  try {
    files().verifySignedRequest({ method, url, headers: PUT_HEADERS });
    return true;
  } catch {
    return false;
  }
};
const holdsForm = (fields: Record<string, string>) => {
  try {
    files().verifySignedForm(fields);
    return true;
  } catch {
    return false;
  }
};

/** The text with one character exchanged for another of the same alphabet. */
const alteration = fc.record({ at: fc.nat(), by: fc.constantFrom(...'ABCDEFabcdef0123456789_-') });
function altered(text: string, { at, by }: { at: number; by: string }): string | undefined {
  const index = at % text.length;
  return text[index] === by ? undefined : text.slice(0, index) + by + text.slice(index + 1);
}

describe('altered by a character', () => {
  test.each([
    ['a quote', QUOTE],
    ['a cursor', CURSOR],
  ] as const)('%s is refused', async (_name, thing) => {
    const text = await thing.issue('live');
    const property = fc.asyncProperty(alteration, async (change) => {
      const other = altered(text, change);
      if (other !== undefined) expect(await thing.use(other, 'live'), other).toBe(thing.refusal);
    });
    await fc.assert(property, {
      seed: 1,
      numRuns: 60,
      examples: [...'AEIMQUYcgkosw048'].map((by) => [{ at: text.length - 1, by }]),
    });
  });

  test('links, forms and tokens are refused', async () => {
    const { put, get, events, fields } = await linksOf();
    const queryOf = (url: string) => url.indexOf('?') + 1;
    expect([holds('PUT', put), holds('GET', get), holdsForm(fields)]).toEqual([true, true, true]);
    const property = fc.asyncProperty(alteration, async (change) => {
      for (const [method, url] of [
        ['PUT', put],
        ['GET', get],
      ] as const) {
        const path = altered(url.slice(url.indexOf('/blobs/')), change);
        if (path) expect(holds(method, new URL(path, 'http://localhost').href), path).toBe(false);
      }
      for (const name of ['policy', 'signature']) {
        const value = altered(fields[name]!, change);
        if (value) expect(holdsForm({ ...fields, [name]: value }), value).toBe(false);
      }
      const token = altered(events.slice(queryOf(events) + 'token='.length), change);
      if (token) {
        const response = await service.app.request(`${events.slice(0, queryOf(events))}token=${token}`);
        expect(response.status, token).toBe(403);
      }
      const secret = altered(callers.userOne, change);
      if (secret) expect((await service.call('GET', '/v1/jobs', { key: secret })).status).toBe(401);
    });
    await fc.assert(property, { seed: 2, numRuns: 150 });
  });

  test('a sealed text opens neither altered, nor with another secret, nor for another context', async () => {
    const sealing = { secret: callers.live, context: '["/v1/keys","key_1","k"]' };
    const sealed = await seal('{"key":"sr_live_…"}', sealing);
    expect(await open(sealed, sealing)).toBe('{"key":"sr_live_…"}');
    expect(await open(sealed, { ...sealing, secret: callers.test })).toBeUndefined();
    expect(await open(sealed, { ...sealing, context: '["/v1/keys","key_2","k"]' })).toBeUndefined();
    const bytes = Buffer.from(sealed, 'base64');
    const flip = fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
      const other = Buffer.from(bytes);
      other[at]! ^= mask;
      expect(await open(other.toString('base64'), sealing)).toBeUndefined();
    });
    await fc.assert(flip, { seed: 3, numRuns: 60 });
  });
});

test('nothing that is signed for one purpose holds for another', async () => {
  const { put, get, events, fields } = await linksOf();
  const token = new URL(events).searchParams.get('token')!;
  for (let i = 0; i < 2; i++) await submit(service);
  await pingTwice();
  const receipt = await receiptSignature();
  const texts: Record<string, string> = {
    quote: await QUOTE.issue('live'),
    cursor: await CURSOR.issue('live'),
    deliveries: await DELIVERIES.issue('live'),
    events: token,
    receipt,
    put: new URL(put).searchParams.get('signature')!,
    form: fields.signature!,
    key: callers.live,
  };
  for (const [name, text] of Object.entries(texts)) {
    // Also with the beginning of another purpose in place of its own.
    for (const prefix of ['', 'quo_', 'evt_', 'cur_']) {
      const other = prefix + (prefix ? text.replace(/^(quo|evt|cur)_/, '') : text);
      const isItself = (kind: string) => name === kind && other === text;
      expect(await QUOTE.use(other, 'live')).toBe(isItself('quote') ? 'taken' : 'quote-invalid');
      expect(await CURSOR.use(other, 'live')).toBe(isItself('cursor') ? 'taken' : 'malformed');
      expect(await DELIVERIES.use(other, 'live')).toBe(isItself('deliveries') ? 'taken' : 'malformed');
      const followed = await service.app.request(`${events.split('token=')[0]}token=${encodeURIComponent(other)}`);
      await followed.body?.cancel();
      expect(followed.status, other).toBe(isItself('events') ? 200 : 403);
      const client = await service.call('GET', '/v1/jobs', { key: other });
      expect(client.status, other).toBe(isItself('key') ? 200 : 401);
      expect(holdsForm({ ...fields, signature: other })).toBe(isItself('form'));
    }
  }
  expect([holds('GET', put), holds('PUT', get), holds('HEAD', get)]).toEqual([false, false, false]);
});

test('a receipt names account, mode and end user', async () => {
  const receiptOf = async (who: Who) => {
    const { id } = (await jobOf(who)).body;
    await finish(id!);
    return (await call(who, 'GET', `/v1/jobs/${id}/receipt`)).body.receipt as unknown as object;
  };
  expect(await receiptOf('userOne')).toMatchObject({ account: 'acc_one', end_user: 'user-1' });
  expect(await receiptOf('testUser')).toMatchObject({ account: 'acc_one', end_user: 'user-1', test: true });
  const live = await receiptOf('live');
  expect(live).toMatchObject({ account: 'acc_one' });
  expect(live).not.toHaveProperty('end_user');
  expect(live).not.toHaveProperty('test');
});

test('after its time nothing holds but a cursor', async () => {
  const { put, get, events, fields } = await linksOf();
  const [quote, cursor] = [await QUOTE.issue('live'), await CURSOR.issue('live')];
  service.clock.advance(Math.max(UPLOAD_URL_SECONDS, EVENTS_LINK_SECONDS));
  expect(await QUOTE.use(quote, 'live')).toBe('quote-invalid');
  expect([holds('PUT', put), holdsForm(fields)]).toEqual([false, false]);
  expect((await service.app.request(events)).status).toBe(403);
  expect((await service.call('GET', '/v1/jobs', { key: callers.userOne })).status).toBe(401);
  service.clock.advance(3600);
  expect(holds('GET', get)).toBe(false);
  expect(await CURSOR.use(cursor, 'live')).toBe('taken');
});

async function pingTwice(): Promise<void> {
  const { id } = (await call('live', 'POST', '/v1/webhook_endpoints', { events: [] })).body;
  const endpoint = (await service.state.getEndpoint('acc_one', id!))!;
  const other = { ...endpoint, id: createId('whe', service.now()), url: 'https://example.com/' };
  await service.state.createEndpoint(other);
  for (let i = 0; i < 2; i++) await call('live', 'POST', `/v1/webhook_endpoints/${other.id}/ping`);
}

/** Finishes the job, as a worker does. */
async function finish(id: string): Promise<void> {
  const { attempt } = await service.state.updateJob(id, { type: 'claim' });
  await service.state.updateJob(id, {
    type: 'succeed',
    attempt,
    output: { ...SAMPLE_OUTPUT, key: id },
    notes: [],
    run: SAMPLE_RUN,
  });
}

async function receiptSignature(): Promise<string> {
  const { id } = (await jobOf('live')).body;
  await finish(id!);
  const { signature } = (await call('live', 'GET', `/v1/jobs/${id}/receipt`)).body;
  return (signature as unknown as { value: string }).value;
}
