import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { createTestClient, type TestClient } from '../support/client.ts';
import { connectToHeap, residentBytes, WITH_INSPECTOR } from '../support/process-figures.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { openStreams } from '../support/stream-load.ts';
import type { BenchOptions, BenchTable } from './bench.ts';

const CONNECTIONS = 32;
const UPLOADERS = 8;
/** The last asks for more than the service allows one account at once. */
const STREAMS = [200, 500, 1_000];
/** A job may have a fifth of all streams. */
const JOBS = 5;
const CHANGES = 5;
const PHOTO = new URL('../../local/demo-photo/dog.jpg', import.meta.url);

/** The service is a process of its own (two cores for both); this process is the load generator. */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const seconds = long ? 8 : 2;
  const directory = await mkdtemp(join(tmpdir(), 'seesr-bench-'));
  const service = await startServiceProcess(directory, { ...WITH_INSPECTOR, LOG_LEVEL: 'silent' });
  try {
    const key = service.firstKey ?? '';
    const client = createTestClient(service.url, key);
    // Its file never comes, so that the worker stays idle and only the API is measured.
    const upload = await announce(client, 1000);
    const streams = [];
    for (const count of STREAMS)
      streams.push(await measureStreams({ service, client, key, count, uploadId: upload.id }));
    const requests = await measureRequests({ url: service.url, key, client, seconds, uploadId: upload.id });
    const uploads = await measureUploads(client, seconds);
    return [
      {
        title: 'Requests to one process',
        rows: [...requests, uploads],
        note: `${CONNECTIONS} connections for ${seconds} s each, after a warm-up; ${UPLOADERS} uploaders. An upload is both of its requests, with a photo of the demo, on disk when it is answered. Generator and service share the machine.`,
      },
      {
        title: 'Open event streams',
        rows: streams,
        note: `They follow ${JOBS} jobs of one account. Memory is the service's heap without garbage, and the resident memory, beyond the values before. The delay is from the answer of the request that ends the job to the event, over ${CHANGES * JOBS} jobs: the service looks every 250 ms. One account gets no more than 500 streams at once, half of all; a client that comes then is told to come again.`,
      },
    ];
  } finally {
    await service.kill('SIGTERM');
    await rm(directory, { recursive: true, force: true });
  }
}

interface RequestLoad {
  url: string;
  key: string;
  client: TestClient;
  seconds: number;
  uploadId: string;
}

async function measureRequests({ url, key, client, seconds, uploadId }: RequestLoad) {
  const job = await client.submit({ input: { upload_id: uploadId } });
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const path = `${url}/v1/jobs/${job.id}`;
  const post = (body: object) => ({ method: 'POST' as const, headers, body: JSON.stringify(body) });
  const cases: [string, autocannon.Options, number][] = [
    ['conditional poll (304)', { url: path, headers: { ...headers, 'if-none-match': `W/"j${job.version}"` } }, 304],
    ['plain poll (200)', { url: path, headers }, 200],
    ['submit (202)', { url: `${url}/v1/jobs`, ...post({ input: { upload_id: uploadId } }) }, 202],
    ['page of 20 jobs (200)', { url: `${url}/v1/jobs?limit=20`, headers }, 200],
    ['quote (200)', { url: `${url}/v1/quotes`, ...post({ input: { width: 640, height: 480 } }) }, 200],
  ];
  const rows = [];
  for (const [name, options, expected] of cases) rows.push(await measure(name, options, expected, seconds));
  return rows;
}

async function measure(name: string, options: autocannon.Options, expected: number, seconds: number) {
  await autocannon({ ...options, connections: CONNECTIONS, duration: Math.min(2, seconds) }); // warm-up
  const result = await autocannon({ ...options, connections: CONNECTIONS, duration: seconds });
  const answers = result.statusCodeStats?.[`${expected}`]?.count ?? 0;
  const others = result.requests.total - answers;
  if (others > 0) throw new Error(`${name}: ${others} of ${result.requests.total} answers were not ${expected}.`);
  return row(name, result.requests.average, { p50: result.latency.p50, p99: result.latency.p99 });
}

async function measureUploads(client: TestClient, seconds: number) {
  const photo = new Uint8Array(await readFile(PHOTO));
  const times: number[] = [];
  const started = performance.now();
  const uploader = async () => {
    while (performance.now() - started < seconds * 1000) {
      const before = performance.now();
      await client.upload(photo, 'image/jpeg');
      times.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: UPLOADERS }, uploader));
  const perSecond = times.length / ((performance.now() - started) / 1000);
  const kilobytes = Math.round(photo.byteLength / 1024);
  return row(`upload of ${kilobytes} KB (201, 200)`, perSecond, {
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
  });
}

interface StreamLoad {
  service: ServiceProcess;
  client: TestClient;
  key: string;
  count: number;
  uploadId: string;
}

async function measureStreams({ service, client, key, count, uploadId }: StreamLoad) {
  const heap = await connectToHeap(service);
  const pid = service.process.pid!;
  const [heapBefore, residentBefore] = [await heap.bytes(), await residentBytes(pid)];
  let [heapBytes, resident, open, refused] = [0, 0, 0, 0];
  const delays: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    const jobs = await Promise.all(
      Array.from({ length: JOBS }, () => client.submit({ input: { upload_id: uploadId } })),
    );
    const streams = await Promise.all(
      jobs.map(({ id }) => openStreams(`${service.url}/v1/jobs/${id}/events`, key, count / JOBS)),
    );
    if (change === 0) {
      open = streams.reduce((sum, of) => sum + of.open, 0);
      refused = count - open;
      [heapBytes, resident] = [(await heap.bytes()) - heapBefore, (await residentBytes(pid)) - residentBefore];
    }
    for (const [index, { id }] of jobs.entries()) {
      await client.json(`/v1/jobs/${id}/cancel`, { method: 'POST' });
      const changed = performance.now();
      // One may learn of it before the answer to the cancel is read.
      for (const end of await streams[index]!.ends) delays.push(Math.max(0, end - changed));
    }
    await sleep(300); // until the service has taken leave of all
  }
  heap.close();
  return {
    asked: count,
    open,
    'refused (429)': refused,
    'heap each (KB)': Number((heapBytes / open / 1024).toFixed(1)),
    'resident each (KB)': Number((resident / open / 1024).toFixed(1)),
    'to the event, p50 (ms)': Math.round(quantile(delays, 0.5)),
    'to the event, p99 (ms)': Math.round(quantile(delays, 0.99)),
  };
}

function announce(client: TestClient, bytes: number): Promise<{ id: string }> {
  return client.json('/v1/uploads', { method: 'POST', body: JSON.stringify({ bytes, content_type: 'image/png' }) });
}

function row(request: string, perSecond: number, { p50, p99 }: { p50: number; p99: number }) {
  return {
    request,
    'per second': Math.round(perSecond),
    'p50 (ms)': Number(p50.toFixed(1)),
    'p99 (ms)': Number(p99.toFixed(1)),
    errors: 0, // one would have ended the bench
  };
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;
}
