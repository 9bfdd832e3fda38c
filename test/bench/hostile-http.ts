import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Bytes that no honest client sends, and the permitted outcome: one answer, then the end of the connection. */
interface Shape {
  name: string;
  bytes: string;
  statuses: number[];
}

const HOST = 'Host: localhost\r\n';
const CLOSE = 'Connection: close\r\n';
const JSON_TYPE = 'Content-Type: application/json\r\n';
/** Bytes that a proxy in front would take for a part of the body, or for another client's request. */
const HIDDEN = 'GET /healthz HTTP/1.1\r\nHost: hidden\r\n\r\n';

const get = (target: string, headers = '') => `GET ${target} HTTP/1.1\r\n${HOST}${headers}${CLOSE}\r\n`;
const post = (headers: string, body: string) => `POST /v1/jobs HTTP/1.1\r\n${HOST}${JSON_TYPE}${headers}\r\n${body}`;

const SHAPES: Record<string, Shape[]> = {
  'request smuggling': [
    // Every pair of readers must agree on where a request ends, so ambiguity is refused.
    {
      name: 'a length and chunks',
      bytes: post('Content-Length: 4\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${HIDDEN}`),
      statuses: [400],
    },
    {
      name: 'chunks and a length',
      bytes: post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', `0\r\n\r\n${HIDDEN}`),
      statuses: [400],
    },
    { name: 'two lengths', bytes: post('Content-Length: 0\r\nContent-Length: 44\r\n', HIDDEN), statuses: [400] },
    { name: 'two lengths in one', bytes: post('Content-Length: 0, 44\r\n', HIDDEN), statuses: [400] },
    { name: 'a length with a sign', bytes: post('Content-Length: +44\r\n', HIDDEN), statuses: [400] },
    { name: 'a negative length', bytes: post('Content-Length: -1\r\n', HIDDEN), statuses: [400] },
    { name: 'a length in hex', bytes: post('Content-Length: 0x2c\r\n', HIDDEN), statuses: [400] },
    { name: 'a length beyond numbers', bytes: post('Content-Length: 99999999999999999999\r\n', ''), statuses: [400] },
    { name: 'a space before the colon', bytes: post('Content-Length : 44\r\n', HIDDEN), statuses: [400] },
    { name: 'chunked, and more', bytes: post('Transfer-Encoding: chunked, identity\r\n', HIDDEN), statuses: [400] },
    { name: 'chunked twice', bytes: post('Transfer-Encoding: chunked\r\n'.repeat(2), HIDDEN), statuses: [400, 401] },
    { name: 'chunked, misspelt', bytes: post('Transfer-Encoding: xchunked\r\n', HIDDEN), statuses: [400] },
    {
      name: 'a folded header',
      bytes: post('Transfer-Encoding:\r\n chunked\r\n', `0\r\n\r\n${HIDDEN}`),
      statuses: [400],
    },
    { name: 'a folded length', bytes: post('Content-Length: 0\r\n 44\r\n', HIDDEN), statuses: [400] },
    { name: 'a chunk of no number', bytes: post('Transfer-Encoding: chunked\r\n', 'zz\r\n'), statuses: [400, 401] },
    {
      name: 'a chunk beyond numbers',
      bytes: post('Transfer-Encoding: chunked\r\n', 'fffffffffffffffffff\r\n'),
      statuses: [400, 401],
    },
    {
      name: 'a chunk with a long extension',
      bytes: post('Transfer-Encoding: chunked\r\n', `1;${'x'.repeat(20_000)}\r\na\r\n0\r\n\r\n`),
      statuses: [400, 401, 413],
    },
    { name: 'line feeds alone', bytes: `GET /healthz HTTP/1.1\nHost: localhost\n\n`, statuses: [400] },
    { name: 'carriage returns alone', bytes: `GET /healthz HTTP/1.1\rHost: localhost\r\r`, statuses: [400] },
    { name: 'a line feed in a header', bytes: get('/healthz', 'X: a\nContent-Length: 44\r\n'), statuses: [400] },
    { name: 'a NUL in a header', bytes: get('/healthz', 'X: a\0b\r\n'), statuses: [400] },
    { name: 'a NUL in the name of a header', bytes: get('/healthz', 'X\0: a\r\n'), statuses: [400] },
    { name: 'a NUL in the target', bytes: get('/healthz\0/v1'), statuses: [400] },
    { name: 'two hosts', bytes: get('/healthz', 'Host: other\r\n'), statuses: [400] },
  ],
  targets: [
    { name: 'an absolute target', bytes: get('http://other.example/healthz'), statuses: [200] },
    { name: 'an absolute target that is none', bytes: get('http://:99999/healthz'), statuses: [400] },
    { name: 'a target of another scheme', bytes: get('ftp://other.example/healthz'), statuses: [400, 404] },
    { name: 'an asterisk', bytes: `OPTIONS * HTTP/1.1\r\n${HOST}${CLOSE}\r\n`, statuses: [204, 400, 404] },
    { name: 'a tunnel', bytes: `CONNECT other.example:443 HTTP/1.1\r\n${HOST}\r\n`, statuses: [400] },
    {
      name: 'an upgrade',
      bytes: get('/healthz', 'Upgrade: websocket\r\nConnection: Upgrade\r\n'),
      statuses: [200, 400],
    },
    { name: 'a longer target than headers may be', bytes: get(`/${'a'.repeat(20_000)}`), statuses: [431] },
    { name: 'a long target', bytes: get(`/v1/jobs/${'a'.repeat(15_000)}`), statuses: [401, 404] },
    { name: 'a long query', bytes: get(`/v1/jobs?${'limit=1&'.repeat(1_800)}`), statuses: [401] },
    { name: 'ways up', bytes: get('/blobs/../../../../etc/passwd'), statuses: [403, 404] },
    { name: 'encoded ways up', bytes: get('/blobs/..%2f..%2f..%2fetc%2fpasswd'), statuses: [403, 404] },
    { name: 'broken escapes', bytes: get('/v1/jobs/%ff%fe%zz'), statuses: [400, 401, 404] },
  ],
  headers: [
    { name: 'one header too large', bytes: get('/healthz', `X: ${'a'.repeat(20_000)}\r\n`), statuses: [431] },
    { name: 'headers too many', bytes: get('/healthz', 'X: a\r\n'.repeat(5_000)), statuses: [431] },
    { name: 'many small headers', bytes: get('/healthz', 'X: a\r\n'.repeat(500)), statuses: [200] },
    {
      name: 'a key of 8000 letters',
      bytes: get('/v1/jobs', `Authorization: Bearer ${'a'.repeat(8_000)}\r\n`),
      statuses: [401],
    },
    { name: 'a key of other bytes', bytes: get('/v1/jobs', 'Authorization: Bearer \xff\xfe\r\n'), statuses: [401] },
    { name: 'an expectation', bytes: post('Content-Length: 2\r\nExpect: 200-maybe\r\n', ''), statuses: [417] },
  ],
  'not HTTP/1.1': [
    { name: 'HTTP/2 without asking', bytes: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', statuses: [400] },
    { name: 'HTTP/9.9', bytes: 'GET /healthz HTTP/9.9\r\n\r\n', statuses: [400] },
    { name: 'TLS', bytes: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', statuses: [400] },
    { name: 'a method that is none', bytes: `${'A'.repeat(5_000)} / HTTP/1.1\r\n${HOST}\r\n`, statuses: [400] },
  ],
};

/** One shape, or one slow client. */
export interface ShapeAnswer {
  group: string;
  /** `none`, or statuses of all answers. */
  answer: string;
  /** Its fault, in words. */
  fault?: string;
}

/** Sends every shape once, all at the same time. */
export async function askShapes(url: string): Promise<ShapeAnswer[]> {
  const asked = Object.entries(SHAPES).flatMap(([group, shapes]) =>
    shapes.map(async ({ name, bytes, statuses }) => {
      const [status = 0, ...more] = await answersTo(url, bytes);
      const answer = [status, ...more].join(', ');
      if (more.length === 0 && statuses.includes(status)) return { group, answer };
      return { group, answer, fault: `HTTP, ${name}: answered with ${answer}; expected is one of ${statuses}.` };
    }),
  );
  return await Promise.all(asked);
}

const SILENCE_MILLISECONDS = 10_000;

/** Statuses of all answers (0: none) until the service closes the connection; -1 is one that it leaves open. */
async function answersTo(url: string, bytes: string): Promise<number[]> {
  const socket = open(url);
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    text += chunk;
  });
  socket.write(bytes, 'latin1');
  const isClosed = await ends(socket, SILENCE_MILLISECONDS);
  socket.destroy();
  const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
  return isClosed ? statuses : [...statuses, -1];
}

/** Node looks for slow headers every 30 s and ends those that take more than 60 s. */
const SLOW_HEADER_SECONDS = 100;
const DRIP_MILLISECONDS = 1_000;

/** Clients that send one letter a second for as long as they may, of which others must notice nothing (slowloris). */
export function holdSlowClients(url: string, each: number) {
  const started = performance.now();
  const beginnings = {
    header: `GET /healthz HTTP/1.1\r\n${HOST}X-Slow: `,
    body: post('Content-Length: 1000\r\n', ''),
  };
  const clients = (['header', 'body'] as const).flatMap((part) =>
    Array.from({ length: each }, () => {
      const socket = open(url);
      const client = { part, socket, answer: '' };
      socket.setEncoding('latin1').on('data', (chunk) => {
        client.answer += chunk;
      });
      socket.write(beginnings[part]);
      return client;
    }),
  );
  const drip = setInterval(() => {
    for (const { socket } of clients) if (socket.writable) socket.write('a');
  }, DRIP_MILLISECONDS);
  return {
    /** Clients without a key are told so before the body is there; slow senders of headers, that time is up. */
    end(): ShapeAnswer[] {
      clearInterval(drip);
      const isOver = (performance.now() - started) / 1000 > SLOW_HEADER_SECONDS;
      const expected = { header: isOver ? ['408'] : ['none', '408'], body: ['401'] };
      for (const { socket } of clients) socket.destroy();
      return clients.map(({ part, answer: text }) => {
        const answer = text === '' ? 'none' : (/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? text.slice(0, 40));
        const told = { group: `one letter of a ${part} a second`, answer };
        return expected[part].includes(answer)
          ? told
          : { ...told, fault: `HTTP, a slow ${part}: answered with "${answer}".` };
      });
    },
  };
}

function open(url: string): Socket {
  const { hostname, port } = new URL(url);
  // Errors are expected: the service closes some while we write.
  return connect(Number(port), hostname).on('error', () => {});
}

function ends(socket: Socket, milliseconds: number): Promise<boolean> {
  return Promise.race([
    new Promise<boolean>((resolve) => socket.once('close', () => resolve(true))),
    sleep(milliseconds, false, { ref: false }),
  ]);
}
