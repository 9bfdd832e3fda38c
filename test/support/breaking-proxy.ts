import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** The fate of the next connections, in turn; all that come after them pass untouched. */
interface Break {
  /** Which way is counted. */
  direction: 'up' | 'down';
  /** That pass before. */
  bytes: number;
  /** The connection is closed, or stays open and dead. Default: it is closed. */
  silent?: true;
}

const PAUSE_MILLISECONDS = 200;

/** Between a client and the service: connections that break, or die without a word, once a request matches `where`. */
export async function startBreakingProxy(serviceUrl: string, where: RegExp) {
  const target = new URL(serviceUrl);
  const breaks: Break[] = [];
  /** First lines of the requests that matched. */
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    let current: Break | undefined;
    let passed = 0;
    let isDead = false;
    let isSilent = false;
    const pass = (from: 'up' | 'down', to: Socket) => (data: Buffer) => {
      const line = /^(?:GET|PUT|PATCH|POST|HEAD) \S+/.exec(data.toString('latin1', 0, 2000))?.[0];
      if (from === 'up' && line && where.test(line)) {
        const range = /^range: (\S+)/im.exec(data.toString('latin1', 0, 4000))?.[1];
        requests.push([line.split(' ')[0], range].filter(Boolean).join(' '));
        current ??= breaks.shift();
        passed = 0;
      }
      if (isDead) return;
      const rest = current?.direction === from ? current.bytes - passed : Number.POSITIVE_INFINITY;
      to.write(data.subarray(0, rest));
      passed += data.length;
      if (data.length < rest) return;
      isDead = true;
      isSilent = current?.silent === true;
      // A little later: bytes that have passed are to arrive before.
      if (!isSilent) setTimeout(() => [near, far].map((socket) => socket.end()), PAUSE_MILLISECONDS);
    };
    near.on('data', pass('up', far));
    far.on('data', pass('down', near));
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket
        .on('error', () => {})
        .on('close', () => {
          sockets.delete(socket);
          other.end();
        });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    breaks,
    requests,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
