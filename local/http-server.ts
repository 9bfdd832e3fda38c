import { randomUUID } from 'node:crypto';
import { createServer, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { AppError, toProblem } from '../shared/error.ts';
import { UPLOAD_URL_SECONDS } from '../shared/limits.ts';

/**
 * HTTP for an app on Web standards. What never becomes a request (headers too large, no valid Host, a method that HTTP
 * does not know) is answered with a problem document too.
 */
export function createHttpServer(fetch: (request: Request) => Response | Promise<Response>): Server {
  // An upload may take as long as its URL is valid: Node would cut it off after five minutes.
  // A missing Host is left to the listener, whose refusal has a body; Node's own has none.
  const options = { requestTimeout: UPLOAD_URL_SECONDS * 1000, requireHostHeader: false };
  const listen = getRequestListener(fetch, { errorHandler: refuse });
  const server = createServer(options, (request, response) => {
    // Node takes the first of several, a proxy perhaps another (RFC 9112, section 3.2).
    if ((request.headersDistinct.host?.length ?? 0) < 2) return listen(request, response);
    const { status, headers, body } = answer(new AppError('malformed', 'The request has more than one Host.'));
    response.writeHead(status, headers).end(body);
  });
  // Without this, Node closes the connection and says nothing.
  server.on('connect', (_request, socket) => send(socket, new AppError('malformed', 'This is no proxy.')));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (socket.writable && error.code !== 'ECONNRESET') send(socket, problemOf(error.code));
    else socket.destroy();
  });
  return server;
}

function refuse(cause: unknown): Response {
  const { status, headers, body } = answer(
    new AppError('malformed', 'The request line or Host is not valid.', { cause }),
  );
  return new Response(body, { status, headers });
}

function problemOf(code: string | undefined): AppError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new AppError('headers-too-large', 'The request line and the headers have more than 16 KiB.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('request-timeout', 'The request did not arrive in time.');
    default:
      return new AppError('malformed', `This is not HTTP that is understood here${code ? ` (${code})` : ''}.`);
  }
}

function answer(error: AppError) {
  const requestId = randomUUID();
  const headers = {
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    'Access-Control-Allow-Origin': '*',
    'X-Request-Id': requestId,
    Connection: 'close',
  };
  return { status: error.status, headers, body: JSON.stringify(toProblem(error, requestId)) };
}

function send(socket: Duplex, error: AppError): void {
  const { status, headers, body } = answer(error);
  const all = { ...headers, 'Content-Length': String(Buffer.byteLength(body)) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
}
