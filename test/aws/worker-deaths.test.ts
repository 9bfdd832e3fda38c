import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { reap } from '../../functions/reap/reap.ts';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import { createSqsJobQueue } from '../../shared/adapters/aws/sqs-job-queue.ts';
import { createFileObjectStore } from '../../shared/adapters/local/file-object-store.ts';
import { enqueue } from '../../shared/admission.ts';
import { AppError } from '../../shared/error.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { DEFAULT_LIMITS, LEASE_SECONDS, MAX_RECEIVES } from '../../shared/limits.ts';
import { createLog } from '../../shared/log.ts';
import type { JobQueue, QueueMessage, StateStore } from '../../shared/ports.ts';
import { PRICE_LISTS } from '../../shared/pricing.ts';
import { AWS, type AwsServer, createQueues, startElasticMq } from '../support/aws-servers.ts';
import { createStateTable, type DynamoServer, startDynamoDbLocal } from '../support/dynamodb-local.ts';
import { createRandom } from '../support/random.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';

const TENANTS = 10;
const JOBS_EACH = 100;
const JOBS = TENANTS * JOBS_EACH;
const PRICE = 700; // micro-units
const WORKERS = 12;
const DEATH = 0.05; // at each of three moments of an attempt
const DELAY = 0.02;
/** The clock of the state runs faster than that of the queue, so that leases need not be waited for. */
const CLOCK_SPEED = 45;
const VISIBILITY_SECONDS = 3; // a little longer than a lease on the fast clock, as a message may be

let queueServer: AwsServer;
let stateServer: DynamoServer;
let sqs: SQSClient;
let directory: string;
beforeAll(async () => {
  [queueServer, stateServer] = await Promise.all([startElasticMq(), startDynamoDbLocal()]);
  sqs = new SQSClient({ ...AWS, endpoint: queueServer.endpoint });
  directory = await mkdtemp(join(tmpdir(), 'seesr-deaths-'));
});
afterAll(async () => {
  sqs?.destroy();
  await Promise.all([queueServer?.close(), stateServer?.stop()]);
  await rm(directory, { recursive: true, force: true });
});

it(`ends each of ${JOBS} jobs once while workers die`, async () => {
  expect(VISIBILITY_SECONDS).toBeGreaterThan(LEASE_SECONDS / CLOCK_SPEED);
  const { deps, now } = await open('jobs');
  const { state, queue, deadLetters } = deps;
  const tenants = Array.from({ length: TENANTS }, (_, i) => `acc_${i}`);
  const run: Run = { state, queue, random: createRandom(now()), deaths: 0, delays: 0, ended: [], isOver: false };
  const sweeper = (async () => {
    for (; !run.isOver; await sleep(2000)) await reap(deps);
  })();
  const workers = Array.from({ length: WORKERS }, () => work(run));
  await Promise.all(tenants.map((tenant) => submitJobs(run, tenant, now)));
  await Promise.all(workers);
  await sweeper;

  expect(run.deaths).toBeGreaterThan(JOBS * DEATH);
  expect(run.delays).toBeGreaterThan(0);
  expect(run.ended).toHaveLength(JOBS);
  expect(new Set(run.ended).size).toBe(JOBS);
  expect(await deadLetters.depth()).toEqual({ visible: 0, inFlight: 0 });
  for (const tenant of tenants) {
    const statement = await state.getStatement(tenant);
    expect(findLedgerProblems(statement)).toEqual([]);
    expect(statement.balance).toBe(0);
    expect(statement.jobs.filter(({ status }) => status === 'succeeded')).toHaveLength(JOBS_EACH);
    expect(statement.entries.filter(({ kind }) => kind === 'capture')).toHaveLength(JOBS_EACH);
  }
});

it('fails a job that no worker survives, without charge', async () => {
  const { deps, now } = await open('poison');
  const { state, queue, deadLetters } = deps;
  const job = sampleJob(now(), { price: PRICE });
  await state.createAccount({ id: job.account, name: job.account, created_at: new Date(now()).toISOString() });
  await state.topUp({ account: job.account, amount: PRICE, payment: 'seed' });
  await state.createJob(job);
  await enqueue(deps, job);
  for (let receives = 1; receives <= MAX_RECEIVES; receives++) {
    const message = await queue.receive({ visibilitySeconds: VISIBILITY_SECONDS, waitSeconds: 1 });
    expect(message).toMatchObject({ jobId: job.id, receiveCount: receives });
    await queue.extend(message!.receipt, 0);
  }
  expect(await queue.receive({ visibilitySeconds: VISIBILITY_SECONDS, waitSeconds: 1 })).toBeNull();
  expect((await deadLetters.depth()).visible).toBe(1);
  await reap(deps);
  expect(await state.getJob(job.id)).toMatchObject({ status: 'failed', error: { code: 'worker-lost' } });
  const statement = await state.getStatement(job.account);
  expect(findLedgerProblems(statement)).toEqual([]);
  expect(statement.balance).toBe(PRICE);
  expect(await deadLetters.depth()).toEqual({ visible: 0, inFlight: 0 });
});

/** Queues and a table of their own, with all that the reaper needs. */
async function open(name: string) {
  const urls = await createQueues(sqs, name, MAX_RECEIVES);
  const { table } = await createStateTable(stateServer.client);
  const started = Date.now();
  const now = () => started + (Date.now() - started) * CLOCK_SPEED;
  const deps = {
    state: createDynamoStateStore({ client: stateServer.client, table, now }),
    queue: createSqsJobQueue({ client: sqs, url: urls.queue }),
    deadLetters: createSqsJobQueue({ client: sqs, url: urls.deadLetters }),
    objects: createFileObjectStore({ directory, secret: 'unused', now }),
    limits: DEFAULT_LIMITS,
    prices: PRICE_LISTS.free,
    log: createLog('silent', () => {}),
  };
  return { deps, now };
}

interface Run {
  state: StateStore;
  queue: JobQueue;
  random: () => number;
  deaths: number;
  delays: number;
  /** Once for each success that was accepted. */
  ended: string[];
  isOver: boolean;
}

/** Credit for exactly these jobs. Some are stored by a process that dies before it sends the message. */
async function submitJobs(run: Run, account: string, now: () => number): Promise<void> {
  const { state, random } = run;
  await state.createAccount({ id: account, name: account, created_at: new Date(now()).toISOString() });
  await state.topUp({ account, amount: JOBS_EACH * PRICE, payment: 'seed' });
  for (let i = 0; i < JOBS_EACH; i++) {
    const job = sampleJob(now(), { account, price: PRICE });
    await state.createJob(job);
    if (random() < DEATH) run.deaths++;
    else await enqueue(run, job);
  }
}

/** Until all jobs have ended and the queue is empty. A death takes the place of its next act. */
async function work(run: Run): Promise<void> {
  while (!run.isOver) {
    const message = await run.queue.receive({ visibilitySeconds: VISIBILITY_SECONDS, waitSeconds: 1 });
    if (message) await attempt(run, message);
    else if (run.ended.length >= JOBS) {
      const { visible, inFlight } = await run.queue.depth();
      run.isOver ||= visible + inFlight === 0;
    }
  }
}

async function attempt(run: Run, { jobId, receipt }: QueueMessage): Promise<void> {
  const { state, queue, random } = run;
  const dies = () => {
    const isDead = random() < DEATH;
    if (isDead) run.deaths++;
    return isDead;
  };
  if (dies()) return;
  try {
    const job = await state.updateJob(jobId, { type: 'claim' });
    if (dies()) return;
    if (random() < DELAY) {
      run.delays++;
      await sleep((VISIBILITY_SECONDS + 1) * 1000); // by then another may have the job
    }
    const output = { ...SAMPLE_OUTPUT, key: `out/${jobId}/${job.attempt}` };
    await state.updateJob(jobId, { type: 'succeed', attempt: job.attempt, output, notes: [] });
    run.ended.push(jobId);
    if (dies()) return;
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === 'lease-held' || error.code === 'lease-lost') return;
    expect(error.code).toBe('already-finished');
  }
  await queue.delete(receipt);
}
