import { randomUUID } from 'node:crypto';
import { createServer, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { AppError, toProblem } from '../shared/error.ts';
import { UPLOAD_URL_SECONDS } from '../shared/limits.ts';

const HEADERS_SECONDS = 60;
/**
 * An idle connection is kept for so long. If the server closes first, a request that a proxy has just sent on it is lost
 * (502): longer than ALB and nginx (60 s), Traefik (90 s) and Caddy (120 s) keep theirs by default.
 */
export const KEEP_ALIVE_SECONDS = 130;

/**
 * HTTP for an app on Web standards. Input that never becomes a request (headers too large, no valid Host, a method that
 * HTTP does not know) is answered with a problem document too.
 */
export function createHttpServer(
  fetch: (request: Request) => Response | Promise<Response>,
  { keepAliveSeconds = KEEP_ALIVE_SECONDS } = {},
): Server {
  const options = {
    // Headers that trickle in do not hold a connection for longer; that it is idle before them does not count.
    headersTimeout: HEADERS_SECONDS * 1000,
    // An upload may take as long as its URL is valid: Node would cut it off after five minutes.
    requestTimeout: UPLOAD_URL_SECONDS * 1000,
    keepAliveTimeout: keepAliveSeconds * 1000,
    // A missing Host is left to the listener, whose refusal has a body; Node's own has none.
    requireHostHeader: false,
  };
  const listen = getRequestListener(fetch, { errorHandler: refuse });
  const server = createServer(options, (request, response) => {
    // Node takes the first of several, a proxy perhaps another (RFC 9112, section 3.2).
    if ((request.headersDistinct.host?.length ?? 0) < 2) return listen(request, response);
    respond(response, new AppError('malformed', 'The request has more than one Host.'));
  });
  // Node's own answer keeps the connection, which then waits for a body that may never come.
  server.on('checkExpectation', ({ headers: { expect } }, response) =>
    respond(response, new AppError('expectation-failed', `Expect is ${expect}; only 100-continue is known.`)),
  );
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

function respond(response: ServerResponse, error: AppError): void {
  const { status, headers, body } = answer(error);
  response.writeHead(status, headers).end(body);
}

function send(socket: Duplex, error: AppError): void {
  const { status, headers, body } = answer(error);
  const all = { ...headers, 'Content-Length': String(Buffer.byteLength(body)) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
}
