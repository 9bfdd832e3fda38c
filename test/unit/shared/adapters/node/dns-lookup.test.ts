import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { LookupFunction } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDnsLookup } from '../../../../../shared/adapters/node/dns-lookup.ts';

/** A real DNS server (RFC 1035) on loopback, which says nothing about names that begin with `slow`. */
let server: Socket;
let lookup: LookupFunction;
let silent: string[];
beforeEach(async () => {
  silent = [];
  server = createSocket('udp4');
  server.on('message', (query, peer) => {
    const name = nameIn(query);
    if (name.startsWith('slow')) silent.push(name);
    else server.send(answerTo(query, name), peer.port, peer.address);
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  lookup = createDnsLookup([`127.0.0.1:${server.address().port}`]);
});
afterEach(() => server.close());

function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12; query[at] !== 0; at += query[at]! + 1)
    labels.push(query.toString('latin1', at + 1, at + 1 + query[at]!));
  return labels.join('.');
}

/** One address for `quick` names of the type that is asked for, no such name for others. */
function answerTo(query: Buffer, name: string): Buffer {
  const end = query.indexOf(0, 12) + 5;
  const isFour = query.readUInt16BE(end - 4) === 1;
  const isKnown = name === 'both.example' || (name === 'quick.example' && isFour);
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(isKnown || name === 'quick.example' ? 0x8180 : 0x8183, 2);
  header.writeUInt16BE(isKnown ? 1 : 0, 6);
  header.writeUInt16BE(0, 8);
  header.writeUInt16BE(0, 10);
  const address = isFour ? Buffer.from([203, 0, 113, 7]) : Buffer.from('20010db8000000000000000000000007', 'hex');
  const record = Buffer.from([0xc0, 12, 0, isFour ? 1 : 28, 0, 1, 0, 0, 0, 60, 0, address.length]);
  return Buffer.concat([header, query.subarray(12, end), ...(isKnown ? [record, address] : [])]);
}

const addressesOf = (name: string) =>
  new Promise<unknown>((resolve) => lookup(name, { all: true }, (error, found) => resolve(error?.code ?? found)));

test('names of slow servers hold up nobody', async () => {
  const slow = Array.from({ length: 30 }, (_, i) => addressesOf(`slow${i}.example`));
  await expect.poll(() => silent.length).toBeGreaterThanOrEqual(30);
  let isOver = false;
  void Promise.race(slow).then(() => {
    isOver = true;
  });
  expect(await addressesOf('quick.example')).toEqual([{ address: '203.0.113.7', family: 4 }]);
  expect(isOver).toBe(false);
});

test('all addresses of a name are found, or the first of them, or why there is none', async () => {
  const four = { address: '203.0.113.7', family: 4 };
  expect(await addressesOf('both.example')).toEqual([four, { address: '2001:db8::7', family: 6 }]);
  const first = new Promise((resolve) => lookup('both.example', {}, (_error, ...found) => resolve(found)));
  expect(await first).toEqual([four.address, four.family]);
  expect(await addressesOf('none.example')).toBe('ENOTFOUND');
});

test.each(['localhost', 'LOCALHOST.', 'a.localhost'])('%s is this machine, against any server', async (name) => {
  expect(await addressesOf(name)).toEqual([{ address: '127.0.0.1', family: 4 }]);
});
