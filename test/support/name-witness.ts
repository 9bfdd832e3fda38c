import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';

/**
 * `node name-witness.ts REPORT COMMAND…`: runs the command beside a name server that knows no name, and reports its exit
 * code and the names that were asked for. Needs a network namespace of its own, for port 53.
 */
const [report = '', command = '', ...args] = process.argv.slice(2);
const HEADER_BYTES = 12;
/** An answer; recursion was desired and is available; there is no such name (RFC 1035 section 4.1.1). */
const NO_SUCH_NAME = 0x8183;

const names = new Set<string>();
const server = createSocket('udp4');
server.on('message', (query, from) => {
  names.add(nameIn(query));
  query.writeUInt16BE(NO_SUCH_NAME, 2);
  query.writeUInt16BE(0, 10); // no additional records: the one of the query is cut off
  server.send(query.subarray(0, questionEnd(query)), from.port, from.address);
});
server.bind(53, '127.0.0.1');
await once(server, 'listening');

const child = spawn(command, args, { stdio: 'inherit' });
const code = await new Promise<number>((resolve) => {
  child.once('error', () => resolve(127));
  child.once('exit', (status) => resolve(status ?? 1));
});
writeFileSync(report, JSON.stringify({ code, names: [...names] }));
server.close();

function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = HEADER_BYTES; query[at]; at += 1 + query[at]!) {
    labels.push(query.subarray(at + 1, at + 1 + query[at]!).toString('latin1'));
  }
  return labels.join('.');
}

function questionEnd(query: Buffer): number {
  return query.indexOf(0, HEADER_BYTES) + 1 + 4; // type and class
}
