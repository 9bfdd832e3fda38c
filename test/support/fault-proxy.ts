import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Between a browser and the service: faults on the way, the same for every browser.
 * `refuse`: the request never arrives. `lose`: it arrives, and its answer does not. `hold`: it arrives, and nothing comes
 * back, for ever. `swallow`: neither arrives, nor is there an end.
 */
export type Fault = 'refuse' | 'lose' | 'hold' | 'swallow' | { status: number; type: string; body: string };

interface Rule {
  /** Of `POST /v1/jobs`. */
  pattern: RegExp;
  fault: Fault;
}

export interface FaultProxy {
  url: string;
  /** `METHOD /path?query` of everything that was asked. */
  requests: string[];
  /** The JSON that was sent with each of them. */
  bodies: { line: string; json: unknown }[];
  /** From now on; the returned function mends it. */
  fault(pattern: RegExp, fault: Fault): () => void;
  mendAll(): void;
  close(): void;
}

export async function startFaultProxy(serviceUrl: string): Promise<FaultProxy> {
  const target = new URL(serviceUrl);
  const rules = new Set<Rule>();
  const requests: string[] = [];
  const bodies: { line: string; json: unknown }[] = [];
  const server = createServer((request, response) => {
    const line = `${request.method} ${request.url}`;
    requests.push(line);
    if (request.headers['content-type'] === 'application/json') {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => bodies.push({ line, json: JSON.parse(Buffer.concat(parts).toString()) }));
    }
    const fault = [...rules].find(({ pattern }) => pattern.test(line))?.fault;
    if (typeof fault === 'object') {
      request.resume();
      response.writeHead(fault.status, { 'Content-Type': fault.type }).end(fault.body);
    } else if (fault === 'refuse') request.socket.destroy();
    else if (fault === 'swallow') request.resume();
    else forward({ request, response, target, fault });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    bodies,
    fault(pattern, fault) {
      const rule = { pattern, fault };
      rules.add(rule);
      return () => void rules.delete(rule);
    },
    mendAll: () => rules.clear(),
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface Forward {
  request: IncomingMessage;
  response: ServerResponse;
  target: URL;
  fault: 'lose' | 'hold' | undefined;
}

/** The Host stays: absolute URLs in answers lead through here. */
function forward({ request, response, target, fault }: Forward): void {
  const { method, url: path, headers } = request;
  const passed = send({ host: target.hostname, port: target.port, method, path, headers }, (answer) => {
    if (fault) answer.resume();
    if (fault === 'lose') request.socket.destroy();
    if (fault) return;
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    response.on('close', () => answer.destroy());
  });
  passed.on('error', () => response.destroy());
  request.pipe(passed);
  request.on('error', () => passed.destroy());
}
