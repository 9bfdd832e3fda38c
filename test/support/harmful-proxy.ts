import { Agent, createServer, type IncomingMessage, type OutgoingHttpHeaders, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Asked, askedOf } from './asked.ts';

/**
 * The fate of a request: it does not arrive; it arrives and its answer does not, only half of it does, or that to its
 * double; nothing is said, and the connection stays; or it is answered with this.
 */
export type Harm =
  | 'lost'
  | 'unanswered'
  | 'cut'
  | 'doubled'
  | 'silent'
  | { status: number; headers?: Record<string, string>; body?: string };

export interface ProxiedRequest {
  method: string;
  /** With the query. */
  path: string;
  /** Of the services that speak JSON: the last word of `x-amz-target`. */
  operation?: string | undefined;
  /** Of the server's answer. */
  status?: number | undefined;
  /** Of a request of the SDK: the same for all tries of one call; and which of them, from 1. */
  call?: string | undefined;
  attempt?: number;
  /** The purpose, where the client tells it. */
  asked?: Asked | undefined;
}

interface Options {
  /** So long SQS waits at most where it has nothing, instead of whole seconds. */
  pollMilliseconds?: number | undefined;
}

/** Hands requests over to a server on loopback, and does harm where it is told to. */
export async function startHarmfulProxy(target: string, { pollMilliseconds }: Options = {}) {
  const { hostname, port } = new URL(target);
  const agent = new Agent({ keepAlive: true });
  const requests: ProxiedRequest[] = [];
  let harm: (request: ProxiedRequest, body: Buffer) => Harm | undefined = () => undefined;
  let onLoss: (request: ProxiedRequest, answer: Buffer) => Promise<void> = async () => {};

  function handOver(
    incoming: IncomingMessage,
    body: Buffer,
    headers: OutgoingHttpHeaders = incoming.headers,
  ): Promise<{ answer: IncomingMessage; content: Buffer }> {
    const { method, url: path } = incoming;
    return new Promise((resolve, reject) => {
      const outgoing = send({ agent, hostname, port, method, path, headers }, (answer) => {
        buffer(answer).then((content) => resolve({ answer, content }), reject);
      });
      outgoing.once('error', reject);
      outgoing.end(body);
    });
  }

  async function poll(incoming: IncomingMessage, body: Buffer): ReturnType<typeof handOver> {
    const asked = JSON.parse(body.toString()) as { WaitTimeSeconds?: number };
    const short = Buffer.from(JSON.stringify({ ...asked, WaitTimeSeconds: 0 }));
    const answered = await handOver(incoming, short, { ...incoming.headers, 'content-length': short.length });
    const { Messages = [] } = JSON.parse(answered.content.toString()) as { Messages?: unknown[] };
    if (asked.WaitTimeSeconds && Messages.length === 0) await sleep(pollMilliseconds);
    return answered;
  }

  const server = createServer(async (incoming, outgoing) => {
    const hangUp = () => void incoming.socket.destroy();
    try {
      const body = await buffer(incoming);
      const { method = '', url: path = '', headers } = incoming;
      const operation = headers['x-amz-target']?.toString().split('.').at(-1);
      const call = headers['amz-sdk-invocation-id']?.toString();
      const attempt = Number(/attempt=(\d+)/.exec(headers['amz-sdk-request']?.toString() ?? '')?.[1]);
      const proxied: ProxiedRequest = { method, path, operation, call, attempt, asked: askedOf(headers) };
      requests.push(proxied);
      const harmful = harm(proxied, body);
      if (harmful === 'lost') return hangUp();
      if (harmful === 'silent') return;
      if (typeof harmful === 'object') {
        return void outgoing.writeHead(harmful.status, harmful.headers).end(harmful.body);
      }
      if (harmful === 'doubled') await onLoss(proxied, (await handOver(incoming, body)).content);
      const isPoll = pollMilliseconds !== undefined && operation === 'ReceiveMessage';
      const { answer, content } = await (isPoll ? poll : handOver)(incoming, body);
      proxied.status = answer.statusCode;
      if (harmful === 'unanswered' || incoming.socket.destroyed) {
        await onLoss(proxied, content);
        return hangUp();
      }
      outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      if (harmful === 'cut') return void outgoing.write(content.subarray(0, content.length / 2), hangUp);
      outgoing.end(content);
    } catch {
      hangUp();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Since it was started. */
    requests,
    /** From now on; without an argument none. */
    doHarm(next: (request: ProxiedRequest, body: Buffer) => Harm | undefined = () => undefined): void {
      harm = next;
    },
    /** Is told of answers that did not arrive, before anybody else notices. */
    tellLosses(listener: typeof onLoss): void {
      onLoss = listener;
    },
    async close(): Promise<void> {
      server.close();
      server.closeAllConnections();
      agent.destroy();
    },
  };
}
