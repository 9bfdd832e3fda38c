import { Writable } from 'node:stream';

/**
 * The side of Lambda's Node runtime that a handler sees: `awslambda` as a global, events one after the other. Started
 * as a child process with the bundle's path; tells when it is loaded, then answers every event.
 */

export interface LambdaAnswer {
  status: number;
  headers: Record<string, string>;
  /** base64 */
  body: string;
  milliseconds: number;
}

export interface LambdaLoading {
  milliseconds: number;
  /** Of all threads. */
  cpuMilliseconds: number;
}

interface Prelude {
  statusCode: number;
  headers: Record<string, string>;
}
type Handler = (event: unknown, stream: Writable, context: object) => Promise<unknown>;

const preludes = new WeakMap<Writable, Prelude>();
Object.assign(globalThis, {
  awslambda: {
    streamifyResponse: (handler: Handler) => handler,
    HttpResponseStream: {
      from(stream: Writable, prelude: Prelude) {
        preludes.set(stream, prelude);
        return stream;
      },
    },
  },
});

const started = performance.now();
const before = process.cpuUsage();
const { handler } = (await import(process.argv[2]!)) as { handler: Handler };
const { user, system } = process.cpuUsage(before);
const loading: LambdaLoading = { milliseconds: performance.now() - started, cpuMilliseconds: (user + system) / 1000 };
process.send!(loading);

process.on('message', async (event) => {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer | string, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  const began = performance.now();
  const finished = new Promise((resolve) => stream.once('finish', resolve));
  await handler(event, stream, { getRemainingTimeInMillis: () => 30_000 });
  await finished;
  const { statusCode, headers } = preludes.get(stream)!;
  const answer: LambdaAnswer = {
    status: statusCode,
    headers,
    body: Buffer.concat(chunks).toString('base64'),
    milliseconds: performance.now() - began,
  };
  process.send!(answer);
});
