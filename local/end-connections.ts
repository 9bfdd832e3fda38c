import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

const LOOK_MILLISECONDS = 50;

/**
 * Takes no new connections and lets transfers under way come to their end: uploads, downloads, answers. The rest is
 * broken off after `milliseconds`.
 */
export async function endConnections(server: Server, milliseconds: number): Promise<void> {
  // A client that sends the next request on the same connection is told that it is the last.
  server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    response.shouldKeepAlive = false;
  });
  const closed = once(server, 'close');
  server.close();
  const looks = setInterval(() => server.closeIdleConnections(), LOOK_MILLISECONDS);
  const end = setTimeout(() => server.closeAllConnections(), milliseconds);
  await closed;
  clearInterval(looks);
  clearTimeout(end);
}
