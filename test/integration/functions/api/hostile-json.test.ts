import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { bodyOf, problemOf, serviceForEach } from '../../../support/service.ts';

/** Bodies that somebody sends to see what breaks: all are refused with a rule, none is a fault of the service. */

const service = serviceForEach();

interface Schema {
  $ref?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  items?: Schema;
}
interface Document {
  paths: Record<string, Record<string, { requestBody?: { content: { 'application/json': { schema: Schema } } } }>>;
  components: { schemas: Record<string, Schema> };
}

const IDS: Record<string, string> = { keys: 'key', webhook_endpoints: 'whe' };

/** Every route that takes JSON, with the places of its fields: `['items', 0, 'scale']`. */
async function routes() {
  const document = await bodyOf<Document>(service.app.request('/openapi.json'));
  const resolve = (schema: Schema) =>
    schema.$ref ? document.components.schemas[schema.$ref.split('/').at(-1)!]! : schema;
  const placesIn = (given: Schema): (string | number)[][] => {
    const { properties = {}, items } = resolve(given);
    const fields = Object.entries(properties).flatMap(([name, inner]) => [
      [name],
      ...placesIn(inner).map((place) => [name, ...place]),
    ]);
    return items ? [...fields, [0], ...placesIn(items).map((place) => [0, ...place])] : fields;
  };
  return Object.entries(document.paths).flatMap(([template, { post }]) => {
    const content = post?.requestBody?.content;
    if (!content) return [];
    const path = template.replace('{id}', `${IDS[template.split('/')[2]!]}_00000000000000000000000000`);
    return [{ path, places: placesIn(content['application/json'].schema) }];
  });
}

/** JSON of an object with `value`, itself JSON, at the place. */
function at(place: readonly (string | number)[], value: string): string {
  return place.reduceRight<string>(
    (inner, name) => (typeof name === 'number' ? `[${inner}]` : `{${JSON.stringify(name)}:${inner}}`),
    value,
  );
}

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const nestedObjects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

async function refused(path: string, body: string | Uint8Array<ArrayBuffer>, contentType = 'application/json') {
  const headers = { Authorization: `Bearer ${service.secret}`, 'Content-Type': contentType };
  const response = await service.app.request(path, { method: 'POST', headers, body });
  const { status, retryable, code, detail } = await problemOf(response);
  const what = `${path} ${typeof body === 'string' ? body.slice(0, 100) : contentType}: ${status} ${detail.slice(0, 200)}`;
  expect(status, what).toBeGreaterThanOrEqual(400);
  expect(status, what).toBeLessThan(500);
  expect(retryable, what).toBe(false);
  expect(detail.length, what).toBeGreaterThan(20);
  expect(detail.length, what).toBeLessThan(10_000);
  return { status, code, detail };
}

const faults = () => service.lines.filter((line) => line.includes('"error"'));

test('deep nesting, in any field, is refused', async () => {
  const all = await routes();
  expect(all.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['/v1/uploads', '/v1/jobs', '/v1/batches', '/v1/keys', '/v1/client_tokens', '/v1/quotes']),
  );
  for (const { path, places } of all) {
    for (const place of [[], ['no_field'], ...places]) {
      for (const value of [nested(20), nested(1000), nestedObjects(1000)]) await refused(path, at(place, value));
    }
  }
  expect(faults()).toEqual([]);
});

test('a wrong type at any level is refused', async () => {
  for (const { path, places } of await routes()) {
    for (const place of places) {
      // A field that takes one of them has another beside it that is missing, or takes no null.
      for (const value of ['1e999', '-1e999', '[null]', '{"":0}']) await refused(path, at(place, value));
    }
    for (const body of ['null', 'true', '0', '"text"', '[]', '[{}]']) await refused(path, body);
  }
  expect(faults()).toEqual([]);
});

describe('a body that is no JSON, or not only JSON', () => {
  test.each([
    ['nothing but a space', ' '],
    ['NaN', '{"bytes":NaN}'],
    ['a number that is none', '{"bytes":0x10}'],
    ['half a body', '{"bytes":5,"content_type":"image/jpeg"'],
    ['half a string', '{"bytes":5,"content_type":"image/jp'],
    ['an escape at the end', '{"content_type":"\\'],
    ['an escape that is none', '{"content_type":"\\x"}'],
    ['two values', '{}{}'],
    ['more closed than was open', ']]]]{}'],
    ['a comment', '{/* */}'],
    ['30,000 quotes, all escaped, in a string without end', `{"a":"${'\\"'.repeat(30_000)}`],
  ])('%s', async (_what, body) => {
    expect(await refused('/v1/uploads', body)).toMatchObject({ status: 400, code: 'malformed' });
    expect(faults()).toEqual([]);
  });

  test.each([
    ['a name twice', '{"bytes":5,"bytes":6,"content_type":"image/png"}', '#/bytes: is there twice'],
    ['a name twice, once escaped', '{"bytes":5,"\\u0062ytes":6}', '#/bytes: is there twice'],
    ['a name twice, far from its colon', `{"bytes":5,"bytes"${' '.repeat(500)}:6}`, '#/bytes: is there twice'],
    ['a name twice in an inner object', '{"a":[1,[],{"b":{"c":1,"c":1}}]}', '#/a/2/b/c: is there twice'],
    ['a name that is no field of any object', '{"__proto__":{"bytes":5}}', '#/__proto__: is not a known field'],
    ['the same, escaped and inside', '{"a":{"__proto\\u005f_":1}}', '#/a/__proto__: is not a known field'],
    ['half a surrogate pair', '{"a":["x","\\ud83d"]}', '#/a/1: is no text'],
    ['the other half, as a name', '{"\\ude00":1}', 'is not a known field'],
    ['depth', nested(33), 'nested deeper than 32'],
    ['depth without an end', '['.repeat(5000), 'nested deeper than 32'],
  ])('%s', async (_what, body, rule) => {
    const { status, detail } = await refused('/v1/uploads', body);
    expect([status, detail]).toEqual([422, expect.stringContaining(rule)]);
  });

  test('the record of a job that takes any name takes none that is no field', async () => {
    const deliver = '{"url":"https://example.com/x","headers":{"x-a":"1","__proto__":{"x-b":"2"}}}';
    const { detail } = await refused('/v1/jobs', `{"input":{"upload_id":"x"},"deliver":${deliver}}`);
    expect(detail).toContain('#/deliver/headers/__proto__');
  });

  test('sound JSON that resembles it is accepted', async () => {
    // The same name in two objects, names in strings, a whole surrogate pair, brackets in a string.
    const json = { scopes: ['jobs:read'], name: `"a":1,"a":2 ${'['.repeat(80)} \\" 😀` };
    const body = JSON.stringify(json).replace('😀', '\\ud83d\\ude00');
    const headers = { Authorization: `Bearer ${service.secret}`, 'Content-Type': 'application/json' };
    const response = await service.app.request('/v1/keys', { method: 'POST', headers, body });
    expect(await bodyOf(response)).toMatchObject({ name: json.name });
    const items = [{ input: { url: 'nowhere' } }, { input: { url: 'nowhere' } }];
    expect(await refused('/v1/batches', JSON.stringify({ items }))).toMatchObject({ code: 'url-refused' });
  });
});

test('wide objects and long strings get a short answer', async () => {
  const wide = `{${Array.from({ length: 3000 }, (_, i) => `"field${i}":0`).join(',')}}`;
  const long = JSON.stringify({ bytes: 5, content_type: 'x'.repeat(60_000) });
  const longName = JSON.stringify({ [`/~é${'x'.repeat(50_000)}`]: 1 });
  const many = `{"items":[${'0,'.repeat(100_000)}0]}`;
  for (const body of [wide, long, longName]) {
    for (const { path } of await routes()) expect((await refused(path, body)).status).toBe(422);
  }
  expect((await refused('/v1/batches', many)).status).toBe(422);
  expect((await refused('/v1/uploads', `"${'x'.repeat(70_000)}"`)).status).toBe(413);
  expect(faults()).toEqual([]);
});

describe('encodings', () => {
  const json = '{"bytes":5,"content_type":"image/jpeg"}';
  const created = async (body: string | Uint8Array<ArrayBuffer>, contentType: string) => {
    const headers = { Authorization: `Bearer ${service.secret}`, 'Content-Type': contentType };
    return (await service.app.request('/v1/uploads', { method: 'POST', headers, body })).status;
  };

  test('UTF-8 is read, with a byte order mark too, by any spelling of the type', async () => {
    const types = [
      'application/json; charset=utf-8',
      'APPLICATION/JSON;Charset="UTF-8"',
      'application/json ; charset=UTF8',
    ];
    for (const type of [...types, 'application/json;', 'application/json; profile="a;b"', 'application/json']) {
      expect([type, await created(json, type)]).toEqual([type, 201]);
      expect([type, await created(`\ufeff${json}`, type)]).toEqual([type, 201]);
    }
  });

  test('others are not', async () => {
    const latin1 = new Uint8Array(Buffer.from('{"bytes":5,"content_type":"imagé/jpeg"}', 'latin1'));
    const utf16 = new Uint8Array(Buffer.from(`\ufeff${json}`, 'utf16le'));
    const cut = new TextEncoder().encode('{"name":"😀"}').subarray(0, 11);
    for (const body of [latin1, utf16, cut]) {
      expect((await refused('/v1/uploads', new Uint8Array(body))).detail).toContain('not UTF-8');
    }
    for (const charset of ['utf-16', 'iso-8859-1', 'x']) {
      const answer = await refused('/v1/uploads', json, `application/json; charset=${charset}`);
      expect(answer).toMatchObject({ status: 415, detail: expect.stringContaining('UTF-8') });
    }
    const headers = { Authorization: `Bearer ${service.secret}`, 'Content-Type': 'application/json' };
    const packed = { method: 'POST', headers: { ...headers, 'Content-Encoding': 'gzip' }, body: gzipSync(json) };
    const { status, detail } = await problemOf(await service.app.request('/v1/uploads', packed));
    expect([status, detail]).toEqual([415, 'The Content-Encoding is gzip; JSON is sent as it is.']);
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'json']) {
      expect((await refused('/v1/uploads', json, type)).status).toBe(415);
    }
  });
});

test('an empty body is an empty object, with any type', async () => {
  const headers = { Authorization: `Bearer ${service.secret}`, 'Content-Type': 'application/json' };
  const send = (path: string) => service.app.request(path, { method: 'POST', headers, body: '' });
  expect((await send('/v1/webhook_endpoints')).status).toBe(201);
  expect((await problemOf(await send('/v1/jobs'))).errors).toMatchObject([{ pointer: '#/input' }]);
});
