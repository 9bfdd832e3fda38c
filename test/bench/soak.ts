import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLocalKey } from '../../local/account.ts';
import { openStores } from '../../local/stores.ts';
import {
  childrenOf,
  connectToHeap,
  filesIn,
  openHandles,
  processorSeconds,
  residentBytes,
  WITH_INSPECTOR,
} from '../support/process-figures.ts';
import { createRandom } from '../support/random.ts';
import { startReceiver } from '../support/receiver.ts';
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts';
import { type LoadReport, startSoakLoad } from '../support/soak-load.ts';
import { trendOf } from '../support/trend.ts';
import { type BenchOptions, type BenchTable, readCount } from './bench.ts';
import { soakWeeks } from './soak-year.ts';

const SAMPLES = 60;
const ROWS = 12;
const MEGABYTE = 1024 * 1024;

/** Of one moment; memory and files in MB. */
interface Sample {
  minutes: number;
  jobs: number;
  service: number;
  heap: number;
  child: number;
  handles: number;
  database: number;
  objects: number;
  temporary: number;
}

export const options = {
  minutes: { value: 'N', about: 'how long the load lasts (default 1, with --long 60)' },
  weeks: { value: 'N', about: 'how far the clock is moved on (default 4, with --long 52)' },
} as const;

/**
 * The service under a light mixed load, and the growth meanwhile; then weeks of its life, by a clock that is moved on.
 * Exit code 1 after any error.
 */
export async function run({ long, values }: BenchOptions<typeof options>): Promise<BenchTable[]> {
  const minutes = readCount('minutes', values.minutes, long ? 60 : 1);
  const weeks = readCount('weeks', values.weeks, long ? 52 : 4);
  return [...(await soakMinutes(minutes)), ...(await soakWeeks(weeks))];
}

async function soakMinutes(minutes: number): Promise<BenchTable[]> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-soak-'));
  const receiver = await startReceiver(204);
  const service = await startServiceProcess(directory, {
    ...WITH_INSPECTOR,
    LOG_LEVEL: 'silent',
    ALLOW_HTTP_FETCH: 'true',
    FETCH_ALLOW_HOSTS: receiver.host,
  });
  try {
    const stop = new AbortController();
    const key = service.firstKey ?? '';
    await registerReceiver(service.url, key, receiver.url);
    const metricsKey = await createMetricsKey(directory);
    const { report, done } = startSoakLoad({
      url: service.url,
      key,
      metricsKey,
      random: createRandom(7),
      stop: stop.signal,
    });
    const started = performance.now();
    const samples = await sampleFor(minutes, { directory, service, report });
    stop.abort();
    await done;
    const seconds = (performance.now() - started) / 1000;
    const used = await processorShare(service, seconds);
    if (report.errors.length > 0) {
      console.error(report.errors.join('\n'));
      process.exitCode = 1;
    }
    return [overTime(samples), trends(samples), answers(report, { used, webhooks: receiver.received.length })];
  } finally {
    await service.kill('SIGTERM');
    receiver.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function registerReceiver(url: string, key: string, receiver: string): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ url: receiver });
  const response = await fetch(`${url}/v1/webhook_endpoints`, { method: 'POST', headers, body });
  if (!response.ok) throw new Error(`The receiver is not taken: ${await response.text()}`);
}

/** As `npm run keys` does it beside a running service. */
async function createMetricsKey(directory: string): Promise<string> {
  const { state, database } = openStores(directory);
  try {
    return (await createLocalKey(state, { name: 'metrics', scopes: ['metrics:read'] })).secret;
  } finally {
    database.close();
  }
}

async function sampleFor(
  minutes: number,
  { directory, service, report }: { directory: string; service: ServiceProcess; report: LoadReport },
): Promise<Sample[]> {
  const heap = await connectToHeap(service);
  const pid = service.process.pid!;
  const started = performance.now();
  const samples: Sample[] = [];
  for (let i = 1; i <= SAMPLES; i++) {
    const next = started + (i / SAMPLES) * minutes * 60_000;
    await sleep(Math.max(0, next - performance.now()));
    const [child] = await childrenOf(pid);
    const heapBytes = await heap.bytes();
    const [objects, unfinished, scratch] = await Promise.all(
      ['objects', 'objects/.unfinished', 'scratch'].map((name) => filesIn(join(directory, name))),
    );
    const all = await filesIn(directory);
    samples.push({
      minutes: (performance.now() - started) / 60_000,
      jobs: report.ended,
      service: (await residentBytes(pid)) / MEGABYTE,
      heap: heapBytes / MEGABYTE,
      child: child === undefined ? 0 : (await residentBytes(child)) / MEGABYTE,
      handles: await openHandles(pid),
      database: (all.bytes - objects!.bytes - scratch!.bytes) / MEGABYTE,
      objects: objects!.count - unfinished!.count,
      temporary: unfinished!.count + scratch!.count,
    });
    const { jobs, service: rss } = samples.at(-1)!;
    if (i % (SAMPLES / ROWS) === 0) console.log(`${i} of ${SAMPLES} samples: ${jobs} jobs, ${rss.toFixed(0)} MB`);
  }
  heap.close();
  return samples;
}

async function processorShare(service: ServiceProcess, seconds: number): Promise<number> {
  const pids = [service.process.pid!, ...(await childrenOf(service.process.pid!))];
  const spent = await Promise.all(pids.map(processorSeconds));
  return (100 * spent.reduce((sum, value) => sum + value, 0)) / seconds;
}

function overTime(samples: readonly Sample[]): BenchTable {
  const rows = samples.filter((_, i) => (i + 1) % (SAMPLES / ROWS) === 0);
  return {
    title: 'A mixed light load: memory, handles and files over time',
    rows: rows.map((sample) => ({
      minutes: Number(sample.minutes.toFixed(1)),
      'jobs ended': sample.jobs,
      'service (MB)': Math.round(sample.service),
      'its heap (MB)': Number(sample.heap.toFixed(1)),
      'inference child (MB)': Math.round(sample.child),
      'open handles': sample.handles,
      'database (MB)': Number(sample.database.toFixed(1)),
      'stored objects': sample.objects,
      'temporary files': sample.temporary,
    })),
    note:
      'Whole jobs of tiny photos (real-esrgan-fast) followed by polls or events, their results fetched and nine in ten deleted; ' +
      'canceled jobs, uploads that break off, event streams that are dropped, reads of every kind, a webhook for every end. ' +
      'Memory is the resident set (/proc); the heap is measured after a collection of all garbage, which each sample asks for. ' +
      'The database holds its write-ahead log; rows of deleted jobs stay in it, without the personal data in them.',
  };
}

function trends(samples: readonly Sample[]): BenchTable {
  const half = samples.slice(samples.length / 2);
  const row = (name: string, field: keyof Sample) => {
    const { slope, margin } = trendOf(half.map((sample) => ({ x: sample.minutes / 60, y: sample[field] })));
    const values = half.map((sample) => sample[field]);
    return {
      figure: name,
      'per hour': Number(slope.toFixed(2)),
      '± (95 %)': Number(margin.toFixed(2)),
      least: Number(Math.min(...values).toFixed(1)),
      most: Number(Math.max(...values).toFixed(1)),
    };
  };
  return {
    title: 'Growth: the second half',
    rows: [
      row('service (MB)', 'service'),
      row('heap of the service (MB)', 'heap'),
      row('inference child (MB)', 'child'),
      row('open handles', 'handles'),
      row('temporary files', 'temporary'),
      row('stored objects', 'objects'),
      row('database (MB)', 'database'),
      row('jobs ended', 'jobs'),
    ],
    note: `Slope of a line of least squares through ${half.length} samples. Stored objects and database grow with the jobs, as they must; the rest must not.`,
  };
}

function answers({ tallies }: LoadReport, { used, webhooks }: { used: number; webhooks: number }): BenchTable {
  const rows = [...tallies]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { milliseconds, errors }]) => {
      const sorted = milliseconds.toSorted((a, b) => a - b);
      const at = (share: number) => Number((sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN).toFixed(1));
      return { request: name, answers: sorted.length, errors, 'p50 (ms)': at(0.5), 'p99 (ms)': at(0.99) };
    });
  return {
    title: 'Requests',
    rows,
    note: `Service and child used ${used.toFixed(0)} % of a core on average. ${webhooks} webhooks arrived. Times include the generator and pauses that are part of a request.`,
  };
}
