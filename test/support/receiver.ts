import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Received {
  path: string;
  method: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** The receiver's answer: a status, nothing (`hang`, `drop`: and it hangs up), or a status with headers and a body. */
export type Answer =
  | number
  | 'hang'
  | 'drop'
  | { status: number; headers?: Record<string, string>; body?: string | Uint8Array };

/** A real HTTP server on loopback that gives these answers one after the other, the last one for ever. */
export async function startReceiver(...answers: Answer[]) {
  const received: Received[] = [];
  const next: Answer[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    request.setEncoding('latin1');
    try {
      for await (const chunk of request) body += chunk;
    } catch {
      return; // the sender has broken off
    }
    const { url: path = '', method = '', headers } = request;
    received.push({ path, method, headers, body });
    const answer = next.shift() ?? answers[Math.min(received.length, answers.length) - 1] ?? 200;
    if (answer === 'hang') return;
    if (answer === 'drop') return void request.socket.destroy();
    const { status, headers: own, body: text } = typeof answer === 'number' ? { status: answer } : answer;
    response.writeHead(status, own).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    received,
    /** Before all others. */
    answerNext(...given: Answer[]): void {
      next.push(...given);
    },
    port,
    host: `127.0.0.1:${port}`,
    url: `http://127.0.0.1:${port}/hook`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
