import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import type { JobView } from '../../shared/api.ts';

interface LoadOptions {
  url: string;
  key: string;
  /** Of a key with the scope `metrics:read`. */
  metricsKey: string;
  random: () => number;
  stop: AbortSignal;
}

interface Tally {
  milliseconds: number[];
  errors: number;
}

export interface LoadReport {
  /** By the kind of request. */
  tallies: Map<string, Tally>;
  /** The first few. */
  errors: string[];
  /** Jobs of which the end was seen. */
  ended: number;
}

/** A job that has not ended after so long is an error. */
const PATIENCE_MILLISECONDS = 120_000;
const KEPT_ERRORS = 20;
/** One job in so many is not deleted: kept jobs must be stored, not held. */
const KEEP_ONE_IN = 10;

/**
 * The work of clients all day, until `stop`: whole jobs followed by polls or events, canceled ones, uploads that break
 * off, streams that come and go, reads of every kind. A few requests a second: it looks for growth, not for a limit.
 */
export function startSoakLoad(options: LoadOptions): { report: LoadReport; done: Promise<void> } {
  const report: LoadReport = { tallies: new Map(), errors: [], ended: 0 };
  const load = { ...options, report, seen: [] as JobView[] };
  const done = Promise.all([
    repeat(load, 2_000, wholeJob),
    repeat(load, 3_000, wholeJob),
    repeat(load, 5_000, canceledJob),
    repeat(load, 5_000, brokenUpload),
    repeat(load, 500, briefStream),
    repeat(load, 150, oneRead),
  ]).then(() => {});
  return { report, done };
}

type Load = LoadOptions & {
  report: LoadReport;
  /** The latest jobs, for reads. */
  seen: JobView[];
};

async function repeat(load: Load, everyMilliseconds: number, action: (load: Load) => Promise<void>): Promise<void> {
  while (!load.stop.aborted) {
    await action(load).catch((error: unknown) => {
      if (load.report.errors.length < KEPT_ERRORS) load.report.errors.push(`${action.name}: ${String(error)}`);
    });
    // Irregular, so that the loops do not march in step.
    await sleep(everyMilliseconds * (0.5 + load.random()));
  }
}

async function wholeJob(load: Load): Promise<void> {
  const { random, report, seen } = load;
  const [width, height] = [8 + Math.floor(random() * 16), 8 + Math.floor(random() * 16)];
  const file = await photo(width, height);
  const { id: upload_id, url, headers } = await announce(load, file.byteLength);
  // As with real clients, some jobs are there before their photo.
  const early = random() < 0.5;
  const body = { input: { upload_id }, model: 'real-esrgan-fast', client_reference: `soak-${width}x${height}` };
  const submit = () =>
    call(load, 'submit', '/v1/jobs', { method: 'POST', body, headers: { 'idempotency-key': crypto.randomUUID() } });
  const put = () =>
    timed(load, 'upload', async () => expectStatus(await fetch(url, { method: 'PUT', headers, body: file }), 200));
  const first = early ? await submit() : await put().then(submit);
  if (early) await put();
  const { id } = (await first.json()) as JobView;
  const job = await (random() < 0.5 ? pollToEnd(load, id) : followToEnd(load, id));
  if (job.status !== 'succeeded') throw new Error(`Job ${id} is ${job.status}.`);
  report.ended++;
  const output = await call(load, 'result', `/v1/jobs/${id}/output`);
  if ((await output.arrayBuffer()).byteLength !== job.output?.bytes) throw new Error(`The result of ${id} is cut off.`);
  if (random() * KEEP_ONE_IN >= 1) await call(load, 'delete', `/v1/jobs/${id}`, { method: 'DELETE', status: 204 });
  else seen.splice(0, Math.max(0, seen.push(job) - 20));
}

async function canceledJob(load: Load): Promise<void> {
  const { id: upload_id } = await announce(load, 1000);
  const { id } = (await (
    await call(load, 'submit', '/v1/jobs', { method: 'POST', body: { input: { upload_id } } })
  ).json()) as JobView;
  await call(load, 'cancel', `/v1/jobs/${id}/cancel`, { method: 'POST' });
  load.report.ended++;
}

/** Half of the bytes, then nobody is there any more. */
async function brokenUpload(load: Load): Promise<void> {
  const bytes = 100_000;
  const { url, headers } = await announce(load, bytes);
  await timed(load, 'broken upload', async () => {
    const sending = request(url, { method: 'PUT', headers: { ...headers, 'content-length': bytes } });
    sending.on('error', () => {}); // that of its own end
    sending.write(Buffer.alloc(bytes / 2));
    await sleep(100);
    const closed = new Promise((resolve) => sending.once('close', resolve));
    sending.destroy();
    await closed;
  });
}

/** Follows a job for a moment, then goes without a word. */
async function briefStream(load: Load): Promise<void> {
  const job = load.seen.at(-1);
  const { id: upload_id } = await announce(load, 1000);
  const waiting = await call(load, 'submit', '/v1/jobs', { method: 'POST', body: { input: { upload_id } } });
  const { id } = (await waiting.json()) as JobView;
  await timed(load, 'brief stream', async () => {
    const leave = new AbortController();
    const stream = await open(load, `/v1/jobs/${job && load.random() < 0.2 ? job.id : id}/events`, leave.signal);
    await stream.getReader().read();
    await sleep(load.random() * 2_000);
    leave.abort();
  });
  await call(load, 'cancel', `/v1/jobs/${id}/cancel`, { method: 'POST' });
}

async function oneRead(load: Load): Promise<void> {
  const job = load.seen[Math.floor(load.random() * load.seen.length)];
  const reads: (() => Promise<Response>)[] = [
    () => call(load, 'list', '/v1/jobs?limit=20'),
    () => call(load, 'search', '/v1/jobs?client_reference=soak-12x12'),
    () => call(load, 'balance', '/v1/balance'),
    () => call(load, 'usage', '/v1/usage'),
    () => call(load, 'models', '/v1/models'),
    () => call(load, 'metrics', '/metrics', { key: load.metricsKey }),
    () => call(load, 'quote', '/v1/quotes', { method: 'POST', body: { input: { width: 640, height: 480 } } }),
  ];
  if (job) {
    const etag = `W/"j${job.version}"`;
    reads.push(
      () => call(load, 'poll (200)', `/v1/jobs/${job.id}`),
      () => call(load, 'poll (304)', `/v1/jobs/${job.id}`, { headers: { 'if-none-match': etag }, status: 304 }),
      () => call(load, 'receipt', `/v1/jobs/${job.id}/receipt`),
    );
  }
  const response = await reads[Math.floor(load.random() * reads.length)]!();
  await response.arrayBuffer();
}

async function pollToEnd(load: Load, id: string): Promise<JobView> {
  const deadline = performance.now() + PATIENCE_MILLISECONDS;
  for (;;) {
    const job = (await (await call(load, 'poll (200)', `/v1/jobs/${id}`)).json()) as JobView;
    if (job.terminal) return job;
    if (performance.now() > deadline) throw new Error(`Job ${id} stays ${job.status}.`);
    await sleep(250);
  }
}

async function followToEnd(load: Load, id: string): Promise<JobView> {
  const stream = await open(load, `/v1/jobs/${id}/events`, AbortSignal.timeout(PATIENCE_MILLISECONDS));
  let text = '';
  for await (const part of stream.pipeThrough(new TextDecoderStream())) text += part;
  const end = /^event: end\ndata: (.*)$/m.exec(text)?.[1];
  if (!end) throw new Error(`The events of job ${id} have no end.`);
  return JSON.parse(end) as JobView;
}

async function announce(load: Load, bytes: number) {
  const body = { bytes, content_type: 'image/png' };
  const response = await call(load, 'announce', '/v1/uploads', { method: 'POST', body, status: 201 });
  return (await response.json()) as { id: string; url: string; headers: Record<string, string> };
}

async function open(load: Load, path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const headers = { authorization: `Bearer ${load.key}` };
  const response = await timed(load, 'open stream', async () =>
    expectStatus(await fetch(new URL(path, load.url), { headers, signal }), 200),
  );
  return response.body!;
}

interface CallOptions {
  method?: string;
  body?: object;
  headers?: Record<string, string>;
  key?: string;
  /** The one that is right; default: any 2xx. */
  status?: number;
}

function call(load: Load, name: string, path: string, options: CallOptions = {}): Promise<Response> {
  const { method = 'GET', body, key = load.key, status } = options;
  const headers = {
    authorization: `Bearer ${key}`,
    ...(body && { 'content-type': 'application/json' }),
    ...options.headers,
  };
  return timed(load, name, async () => {
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    return expectStatus(await fetch(new URL(path, load.url), init), status);
  });
}

async function expectStatus(response: Response, status: number | undefined): Promise<Response> {
  if (status === undefined ? response.ok : response.status === status) return response;
  throw new Error(`${response.status} instead of ${status ?? '2xx'}: ${await response.text()}`);
}

async function timed<Value>({ report }: Load, name: string, work: () => Promise<Value>): Promise<Value> {
  const tally = report.tallies.get(name) ?? { milliseconds: [], errors: 0 };
  report.tallies.set(name, tally);
  const started = performance.now();
  try {
    const value = await work();
    tally.milliseconds.push(performance.now() - started);
    return value;
  } catch (error) {
    tally.errors++;
    throw error;
  }
}

async function photo(width: number, height: number): Promise<Uint8Array<ArrayBuffer>> {
  const image = sharp({ create: { width, height, channels: 3, background: { r: width * 8, g: height * 8, b: 90 } } });
  return new Uint8Array(await image.png().toBuffer());
}
