import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createBlobRoutes } from '../../../../local/blob-routes.ts';
import { createHttpServer } from '../../../../local/http-server.ts';
import { createRefusalLog } from '../../../../local/refusals.ts';
import type { FileObjectStore } from '../../../../shared/adapters/local/file-object-store.ts';
import { createSecret } from '../../../../shared/keys.ts';
import { createService, type Service } from '../../../support/service.ts';

/** Attempts at keys, tokens and links leave lines, with the address and without the tried value. */

let service: Service;
let server: Server;
let origin: string;
let now = 0;

async function listen(trustedProxies?: number): Promise<void> {
  server = createHttpServer(service.app.fetch);
  server.on('request', createRefusalLog({ log: service.log, trustedProxies, now: () => now }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeEach(async () => {
  service = await createService();
  service.app.route('/blobs', createBlobRoutes({ ...service, objects: service.objects as FileObjectStore }));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await service.close();
});

async function lines(): Promise<Record<string, unknown>[]> {
  // A response is finished for its reader a moment before it is for the server.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const refused = service.lines.filter((line) => line.includes('auth.refused'));
  for (const line of refused) {
    expect(line).toMatch(/"event":"auth\.refused","address":"[\da-f.:]+"/); // as the filter of the document looks for it
    expect(line).not.toContain('sr_');
  }
  return refused.map((line) => JSON.parse(line));
}

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(origin + path, { headers, method });

test('keys, tokens and links that are refused, and nothing else', async () => {
  await listen();
  const { secret } = service;
  const forged = `${secret.slice(0, -6)}xxxxxx`;

  const { id, secret: revoked } = await service.newKey();
  await service.state.revokeKey('acc_one', id);
  const tokenless = `/v1/jobs/job_x/events?token=abc`;
  const link = '/blobs/in/acc_one/upl_1?expires=1&signature=not-this-one';
  const tries: [string, Record<string, string>, string][] = [
    ['/v1/jobs', { authorization: `Bearer ${forged}` }, 'key'],
    ['/v1/jobs', { 'x-api-key': (await createSecret('live')).secret }, 'key'],
    ['/v1/jobs', { authorization: `Bearer ${(await createSecret('client')).secret}` }, 'key'],
    ['/v1/balance', { authorization: `Bearer ${revoked}` }, 'key'],
    ['/v1/jobs', { authorization: 'Basic YTpi' }, 'key'],
    [tokenless, {}, 'link'],
    [link, {}, 'link'],
  ];
  for (const [path, headers] of tries) expect([401, 403], path).toContain((await ask(path, headers)).status);
  const told = await lines();
  expect(told.map(({ by }) => by)).toEqual(tries.map(([, , by]) => by));
  expect(told.map(({ path }) => path)).toEqual(tries.map(([path]) => path.split('?')[0]));
  for (const line of told) expect(line).toMatchObject({ level: 'warn', address: '127.0.0.1', method: 'GET' });
  expect(JSON.stringify(told)).not.toContain('not-this-one');

  const { secret: reader } = await service.newKey('acc_one', ['jobs:read']);
  await ask('/v1/jobs', { authorization: `Bearer ${secret}` });
  await ask('/v1/jobs');
  await ask('/v1/keys', { authorization: `Bearer ${reader}` }); // may not, but is known
  await ask('/nothing/here');
  expect(await lines()).toHaveLength(told.length);
});

test.each<[number | undefined, string, string]>([
  [undefined, '203.0.113.9', '127.0.0.1'],
  [1, '203.0.113.9', '203.0.113.9'],
  [1, 'spoofed, 198.51.100.1, 203.0.113.9', '203.0.113.9'],
  [2, '198.51.100.1, 203.0.113.9, 10.0.0.1', '203.0.113.9'],
  [1, '203.0.113.9:4711', '203.0.113.9'],
  [1, '[2001:db8::1]:4711', '2001:db8::1'],
  [1, '2001:db8::1', '2001:db8::1'],
  [1, '::ffff:203.0.113.9', '203.0.113.9'],
  [1, 'unknown', '127.0.0.1'],
  [1, '"} {"event":"x"', '127.0.0.1'],
  [3, '203.0.113.9', '127.0.0.1'],
])('with TRUST_PROXY=%s, X-Forwarded-For %j is %s', async (trusted, forwarded, address) => {
  await listen(trusted);
  await ask('/v1/jobs', { authorization: 'Bearer x', 'x-forwarded-for': forwarded });
  expect((await lines()).map((line) => line.address)).toEqual([address]);
});

test('are limited in rate for each address, and the next line tells how many were left out', async () => {
  await listen(1);
  const tryFrom = (address: string) => ask('/v1/jobs', { authorization: 'Bearer x', 'x-forwarded-for': address });
  for (let i = 0; i < 40; i++) await tryFrom('203.0.113.9');
  expect(await lines()).toHaveLength(30);
  await tryFrom('203.0.113.10');
  expect((await lines()).at(-1)).toMatchObject({ address: '203.0.113.10', left_out: 10 });
  now += 60_000;
  await tryFrom('203.0.113.9');
  const last = (await lines()).at(-1);
  expect(last).toMatchObject({ address: '203.0.113.9' });
  expect(last).not.toHaveProperty('left_out');
});

test('the filter of the document finds the address in a line', async () => {
  await listen();
  await ask('/v1/jobs', { authorization: 'Bearer x' });
  await lines();
  const text = readFileSync(new URL('../../../../docs/security.md', import.meta.url), 'utf8');
  const filter = /^failregex = (.+)$/m.exec(text)![1]!.replace('<HOST>', '(?<host>[\\w.:]+)');
  const line = service.lines.find((one) => one.includes('auth.refused'))!;
  expect(new RegExp(filter).exec(line)?.groups?.host).toBe('127.0.0.1');
});
