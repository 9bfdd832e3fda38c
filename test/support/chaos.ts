import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOCAL_ACCOUNT } from '../../local/account.ts';
import { openStores } from '../../local/stores.ts';
import type { JobView } from '../../shared/api.ts';
import { checkData, checkJob } from './chaos-check.ts';
import { type ChaosClient, createChaosClient } from './chaos-client.ts';
import { FAULTS, type Fault, inject, passTime } from './chaos-faults.ts';
import { type ChaosProcesses, startProcesses } from './chaos-processes.ts';
import { createRandom } from './random.ts';
import { startReceiver } from './receiver.ts';

interface ChaosOptions {
  jobs: number;
  seed: number;
  /** Each fault happens so often, one that finds nothing to happen to perhaps not. */
  rounds: number;
  /** Between the faults of one of the two lanes, at the least and at the most. */
  pauseMilliseconds: readonly [number, number];
  lockMilliseconds: readonly [number, number];
  /** After the last fault. */
  timeoutSeconds: number;
  progress?: (text: string) => void;
}

export type ChaosReport = Awaited<ReturnType<typeof runChaos>>;

const LANES = 2;
const CLIENTS = 4;
const DEPOSIT = 1_000_000_000;
/**
 * Without any news for so long, time passes: nobody need wait for a lease or the pause before a repeat. Each time twice as long
 * as before: an attempt that works loses its lease by it, and must not lose it again and again on a slow machine.
 */
const PATIENCE_LOOKS = 16;
const LOOK_MILLISECONDS = 250;
const WAIT_MILLISECONDS = 200_000;

/**
 * Sends jobs to the real service and to a second worker beside it while they are killed, stopped, slowed down, locked
 * out and lied to by their clock, at random moments; then lets all come to its end and checks everything.
 */
export async function runChaos(options: ChaosOptions) {
  const { jobs, seed, progress = () => {} } = options;
  const folder = await mkdtemp(join(tmpdir(), 'seesr-chaos-'));
  const started = performance.now();
  const receiver = await startReceiver(200);
  const processes = await startProcesses(folder, {
    PRICES: 'standard',
    ALLOW_HTTP_FETCH: 'true',
    FETCH_ALLOW_HOSTS: receiver.host,
    MIN_FREE_BYTES: '1',
  });
  try {
    await deposit(processes.directory);
    const client = createChaosClient({
      url: processes.url,
      key: processes.firstKey,
      hook: receiver.url,
      random: createRandom(seed),
    });
    const injected = await runFaults(options, processes, client);
    progress(`${jobs} jobs accepted, ${sumOf(Object.values(injected))} faults; now they may end`);
    const shortened = await settle(processes, options.timeoutSeconds);
    const told = new Set(receiver.received.map(({ body }) => toldBy(body)));
    const ends: { job: JobView | undefined; faults: string[] }[] = [];
    for (let i = 0; i < jobs; i++) ends.push(await checkJob(client, i, told));
    await processes.stop('SIGTERM');
    const data = await checkData(processes, DEPOSIT);
    const violations = [...client.faults, ...ends.flatMap(({ faults }) => faults), ...data.faults];
    const known = ends.flatMap(({ job }) => (job ? [job] : []));
    return {
      seed,
      jobs,
      endings: countsOf(known.map(endingOf)),
      lost: jobs - known.length,
      stuck: known.filter((job) => !job.terminal).length,
      doubleCaptures: data.doubleCaptures,
      retried: known.filter((job) => job.attempt > 1).length,
      attempts: sumOf(known.map((job) => job.attempt)),
      injected,
      felt: feltBy(processes, client),
      trouble: client.trouble,
      webhooks: receiver.received.length,
      entries: data.entries,
      orphans: data.orphans,
      shortened,
      violations,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await processes.stop('SIGKILL');
    receiver.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function deposit(directory: string): Promise<void> {
  const { state, database } = openStores(directory);
  await state.topUp({ account: LOCAL_ACCOUNT, amount: DEPOSIT, payment: 'chaos' });
  database.close();
}

/** `released`: how many may be ordered by now, so that the faults meet with jobs all the time. */
async function orderAll(client: ChaosClient, jobs: number, released: () => number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (next < jobs) {
        if (next < released()) await client.order(next++);
        else await sleep(LOOK_MILLISECONDS / 5);
      }
    }),
  );
}

/** All faults in a random order, by two lanes, so that some happen at once, while the jobs are ordered. */
async function runFaults(options: ChaosOptions, processes: ChaosProcesses, client: ChaosClient) {
  const { jobs, rounds, seed, lockMilliseconds } = options;
  const [least, most] = options.pauseMilliseconds;
  const random = createRandom(seed + 1);
  const injected = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
  const left = Array.from({ length: rounds }, () => FAULTS.toSorted(() => random() - 0.5)).flat();
  const total = left.length;
  const done = () => sumOf(Object.values(injected));
  let isOrdered = false;
  async function lane(): Promise<void> {
    while (!isOrdered || left.length > 0) {
      await sleep(least + random() * (most - least));
      const fault = left.pop();
      if (!fault) return;
      if (await inject(fault, { processes, random, lockMilliseconds })) injected[fault]++;
      else if (!isOrdered) left.splice(Math.floor(random() * left.length), 0, fault); // another time
    }
  }
  const ordering = orderAll(client, jobs, () => Math.ceil((jobs * (done() + 1)) / total)).finally(() => {
    isOrdered = true;
  });
  await Promise.all([ordering, ...Array.from({ length: LANES }, lane)]);
  return injected;
}

/** Until every job has ended and everything was told, or the time is over. Returns how often time was made to pass. */
async function settle(processes: ChaosProcesses, timeoutSeconds: number): Promise<number> {
  const database = new DatabaseSync(join(processes.directory, 'state.sqlite'), { readOnly: true, timeout: 5_000 });
  const select = database.prepare(
    `SELECT (SELECT count(*) FROM jobs WHERE status IN ('awaiting_upload', 'queued', 'starting', 'running')) AS jobs,
            (SELECT count(*) FROM deliveries WHERE status = 'pending') AS deliveries,
            (SELECT count(*) FROM messages) AS messages`,
  );
  const deadline = performance.now() + timeoutSeconds * 1000;
  let shortened = 0;
  try {
    for (let seen = '', looks = 0, patience = PATIENCE_LOOKS; performance.now() < deadline; looks++) {
      const open = JSON.stringify(select.get());
      if (!/[1-9]/.test(open)) break;
      if (open !== seen) {
        looks = 0;
        patience = PATIENCE_LOOKS;
      }
      seen = open;
      if (looks >= patience) {
        passTime(processes, WAIT_MILLISECONDS);
        shortened++;
        looks = 0;
        patience *= 2;
      }
      await sleep(LOOK_MILLISECONDS);
    }
    return shortened;
  } finally {
    database.close();
  }
}

/** How often the processes and the client have really met with a fault. */
function feltBy(processes: ChaosProcesses, client: ChaosClient) {
  const linesWith = (text: RegExp) => processes.countLines((line) => text.test(JSON.stringify(line)));
  const { counts, trouble } = client;
  const felt = processes.linesOf('chaos.felt');
  return {
    requestsWithoutConnection: trouble['no connection'] ?? 0,
    refusedStarts: processes.refusedStarts(),
    childrenLost: linesWith(/The engine died/),
    signedUrlsTooOld: trouble['403 signature-invalid'] ?? 0,
    answersStorageFull: trouble['503 storage-full'] ?? 0,
    linesStorageFull: linesWith(/took no more bytes/),
    slowedOperations: sumOf(felt.map(({ slowed }) => Number(slowed))),
    refused: (kind: string) => sumOf(felt.map(({ refused }) => (refused as Record<string, number>)[kind] ?? 0)),
    clockSteps: linesWith(/"clock.stepped"/),
    noHandles: linesWith(/EMFILE|has no more to give/),
    commitsRefused: sumOf(felt.flatMap(({ refused }) => sqliteRefusals(refused as Record<string, number>))),
    startsRefused: linesWith(/could not be started/),
    linesLost: sumOf(processes.linesOf('log.lines-lost').map(({ lines }) => Number(lines))),
    troubles: processes.linesOf('part.trouble').length,
    linesLocked: linesWith(/database is locked|database of the service locked/),
    leasesLost: processes.countLines(
      ({ event, error }) =>
        event === 'attempt.failed' && (error === 'lost' || JSON.stringify(error).includes('no longer holds')),
    ),
    ...counts,
  };
}

function sqliteRefusals(refused: Record<string, number>): number[] {
  return Object.entries(refused).flatMap(([kind, count]) => (kind.startsWith('SQLite') ? [count] : []));
}

function endingOf({ status, error }: JobView): string {
  return status === 'failed' ? `failed: ${error?.code}` : status;
}

function toldBy(body: string): string {
  const { type, data } = JSON.parse(body) as { type: string; data: { id: string } };
  return `${data.id} ${type}`;
}

function countsOf(names: string[]): Record<string, number> {
  const groups = Map.groupBy(names, (name) => name);
  return Object.fromEntries([...groups].map(([name, { length }]) => [name, length]));
}

function sumOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
