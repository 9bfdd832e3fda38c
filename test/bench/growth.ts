import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reap } from '../../functions/reap/reap.ts';
import { LOCAL_ACCOUNT } from '../../local/account.ts';
import { openStores } from '../../local/stores.ts';
import { DEFAULT_LIMITS, VISIBILITY_SECONDS } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { type FilledDatabase, fillDatabase } from '../support/filled-database.ts';
import { filesIn } from '../support/process-figures.ts';
import { sampleJob } from '../support/sample-job.ts';
import { startServiceProcess } from '../support/service-process.ts';
import { type BenchOptions, type BenchTable, readCount } from './bench.ts';

const CALLS = 400;
const SWEEPS = 20;

interface Run {
  jobs: number;
  fillSeconds: number;
  startSeconds: number;
  megabytes: number;
  /** Milliseconds of each call, by the name of the call. */
  times: Map<string, number[]>;
}

const SHORT = [1e3, 1e4];
const LONG = [1e3, 1e5, 1e6];

export const options = {
  jobs: {
    value: 'N,N,…',
    about: 'how many jobs are stored, in each turn (default 1000,10000, with --long up to a million)',
  },
} as const;

/** The same calls of stores with few and with many jobs. */
export async function run({ long, values }: BenchOptions<typeof options>): Promise<BenchTable[]> {
  const sizes = values.jobs?.split(',').map((jobs) => readCount('jobs', jobs, 0)) ?? (long ? LONG : SHORT);
  const runs: Run[] = [];
  for (const jobs of sizes) {
    console.log(`${jobs} jobs …`);
    runs.push(await measure(jobs));
  }
  return [sizesOf(runs), timesOf(runs)];
}

async function measure(jobs: number): Promise<Run> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-growth-'));
  try {
    const filling = performance.now();
    const filled = await fillDatabase(directory, jobs);
    const fillSeconds = (performance.now() - filling) / 1000;
    const { bytes } = await filesIn(directory);
    const times = new Map<string, number[]>();
    const startSeconds = await callService(directory, filled, times);
    await callStores(directory, times);
    return { jobs, fillSeconds, startSeconds, megabytes: bytes / 1024 / 1024, times };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Returns the seconds of a start. */
async function callService(directory: string, filled: FilledDatabase, times: Map<string, number[]>): Promise<number> {
  const starting = performance.now();
  const service = await startServiceProcess(directory, { LOG_LEVEL: 'silent' });
  const startSeconds = (performance.now() - starting) / 1000;
  const { key, metricsKey, jobIds } = filled;
  const call = async (path: string, init: RequestInit = {}, secret = key) => {
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...init.headers };
    const response = await fetch(service.url + path, { ...init, headers });
    const text = await response.text();
    if (response.status >= 400) throw new Error(`${path}: ${response.status} ${text}`);
    return text;
  };
  const post = (path: string, body: object, headers: Record<string, string> = {}) =>
    call(path, { method: 'POST', body: JSON.stringify(body), headers });
  const pick = (i: number) => jobIds[(Math.abs(i) * 7919) % jobIds.length]!;
  const cursor = (i: number) => Buffer.from(pick(i)).toString('base64url');
  try {
    const upload = JSON.parse(await post('/v1/uploads', { bytes: 1000, content_type: 'image/png' })) as { id: string };
    const job = { input: { upload_id: upload.id } };
    const calls: [string, (i: number) => Promise<unknown>][] = [
      ['poll', (i) => call(`/v1/jobs/${pick(i)}`)],
      ['receipt', (i) => call(`/v1/jobs/${pick(i)}/receipt`)],
      ['receiver’s log of a job', (i) => call(`/v1/webhook_deliveries?job_id=${pick(i)}`)],
      ['list, first page', () => call('/v1/jobs?limit=20')],
      ['list, a deep page', (i) => call(`/v1/jobs?limit=20&cursor=${cursor(i)}`)],
      ['list of one status, a deep page', (i) => call(`/v1/jobs?limit=20&status=failed&cursor=${cursor(i)}`)],
      ['search by reference', (i) => call(`/v1/jobs?client_reference=order-${i}`)],
      ['announce an upload', () => post('/v1/uploads', { bytes: 1000, content_type: 'image/png' })],
      ['submit', () => post('/v1/jobs', job, { 'idempotency-key': crypto.randomUUID() })],
      ['quote', () => post('/v1/quotes', { input: { width: 640, height: 480 } })],
      ['balance', () => call('/v1/balance')],
      ['usage', () => call('/v1/usage')],
      ['metrics', () => call('/metrics', {}, metricsKey)],
    ];
    // In turn, so that other work of the machine meanwhile meets all of them.
    for (let i = -20; i < CALLS; i++) for (const [name, action] of calls) await timed(times, name, i, () => action(i));
    const doomed = jobIds.slice(-Math.min(CALLS, Math.floor(jobIds.length / 2)));
    for (const [i, id] of doomed.entries()) {
      await timed(times, 'delete', i, () => call(`/v1/jobs/${id}`, { method: 'DELETE' }));
    }
    return startSeconds;
  } finally {
    await service.kill('SIGTERM');
  }
}

/** The calls of worker and reaper to the stores, in this process. */
async function callStores(directory: string, times: Map<string, number[]>): Promise<void> {
  const { database, state, queue, deadLetters, objects } = openStores(directory);
  const log = createLog('silent', () => {});
  try {
    const now = Date.now();
    for (let i = -20; i < CALLS; i++) {
      const job = sampleJob(now, { account: LOCAL_ACCOUNT });
      await state.createJob(job);
      await queue.send({ jobId: job.id, tenant: job.account });
      await timed(times, 'worker: receive and claim', i, async () => {
        const message = await queue.receive({ visibilitySeconds: VISIBILITY_SECONDS, waitSeconds: 0 });
        if (message?.jobId !== job.id) throw new Error(`The queue gave ${message?.jobId}, not ${job.id}.`);
        await state.updateJob(job.id, { type: 'claim' });
        await queue.delete(message.receipt);
      });
      await timed(times, 'worker: progress', i, () =>
        state.updateJob(job.id, { type: 'progress', attempt: 1, progress: { stage: 'upscale', percent: 50 } }),
      );
      await timed(times, 'worker: end', i, () => state.updateJob(job.id, { type: 'give_back', attempt: 1 }));
      await state.updateJob(job.id, { type: 'cancel' });
      await timed(times, 'notifier: a look', i, () => state.claimDelivery());
    }
    const deps = { state, queue, deadLetters, objects, limits: DEFAULT_LIMITS, prices: PRICE_LISTS.free, log };
    for (let i = -1; i < SWEEPS; i++) await timed(times, 'reaper: a sweep', i, () => reap(deps));
  } finally {
    database.close();
  }
}

/** Calls before the first are for warming up. */
async function timed(times: Map<string, number[]>, name: string, i: number, work: () => Promise<unknown>) {
  const started = performance.now();
  await work();
  if (i < 0) return;
  const known = times.get(name) ?? [];
  known.push(performance.now() - started);
  times.set(name, known);
}

function sizesOf(runs: readonly Run[]): BenchTable {
  return {
    title: 'Stores of one data directory, filled as after a month',
    rows: runs.map(({ jobs, megabytes, fillSeconds, startSeconds }) => ({
      'stored jobs': jobs,
      'database (MB)': Math.round(megabytes),
      'a job (KB)': Number(((megabytes * 1024) / jobs).toFixed(2)),
      'start of the service (s)': Number(startSeconds.toFixed(2)),
      'filled in (s)': Math.round(fillSeconds),
    })),
    note: 'Half of the jobs are of the account that asks, the others of 500 more. A few were made by the verbs of the store; the rest are copies of their rows (jobs, ledger, webhook deliveries; for a day uploads and kept answers) with ids and times of their own. One in twelve is marked as running, which a start gives back one by one: a real store has a few such jobs.',
  };
}

function timesOf(runs: readonly Run[]): BenchTable {
  const at = (values: readonly number[], share: number) =>
    values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;
  const rows = [...runs[0]!.times.keys()].map((name) => {
    const row: Record<string, string | number> = { call: name };
    for (const { jobs, times } of runs) {
      row[`p50 at ${jobs} (ms)`] = Number(at(times.get(name) ?? [], 0.5).toFixed(2));
      row[`p99 at ${jobs} (ms)`] = Number(at(times.get(name) ?? [], 0.99).toFixed(2));
    }
    return row;
  });
  return {
    title: 'The same calls with few and with many stored jobs',
    rows,
    note: `${CALLS} calls of each kind one after the other, in turn with the others; ${SWEEPS} sweeps of the reaper. The service is a process of its own, asked by HTTP; worker, notifier and reaper are the calls that they make of the stores. A sweep erases 500 overdue results at most, and waits between them: with 1000 stored jobs nothing is overdue.`,
  };
}
