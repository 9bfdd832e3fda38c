import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Seen, scale } from '../../../../functions/scale/scale.ts';
import { AppError } from '../../../../shared/error.ts';
import type { Job } from '../../../../shared/job.ts';
import { createLog } from '../../../../shared/log.ts';
import { DEFAULT_SCALING } from '../../../../shared/scaling.ts';
import { makeDirectory, openLocalStores } from '../../../support/local-stores.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../../../support/sample-job.ts';

let stores: ReturnType<typeof openLocalStores>;
let remove: () => Promise<void>;
let fleet: { wanted: number; ready: number };
let seen: Seen[];
/** As it was told last. */
let waiting: number;

beforeEach(async () => {
  const made = await makeDirectory();
  remove = made.remove;
  stores = openLocalStores(made.directory);
  fleet = { wanted: 0, ready: 0 };
  seen = [];
  const created_at = new Date(stores.clock.now()).toISOString();
  await stores.state.createAccount({ id: 'acc_one', name: 'one', created_at });
});
afterEach(async () => {
  stores.database.close();
  await remove();
});

/** A minute later, with all that was asked for running. */
async function tick() {
  stores.clock.advance(60);
  const saw = await scale({
    ...stores,
    policy: DEFAULT_SCALING,
    now: stores.clock.now,
    log: createLog('silent', () => {}),
    fleet: {
      get: async () => fleet,
      set: async (wanted) => {
        fleet = { wanted, ready: wanted };
      },
    },
    memory: {
      read: async () => seen,
      write: async (kept) => {
        seen = [...kept];
      },
    },
  });
  waiting = saw.waiting;
  return fleet.wanted;
}

type Given = Parameters<typeof sampleJob>[1];

/** Submitted and sent. */
async function submit(count: number, given: Given = {}): Promise<Job[]> {
  const jobs = Array.from({ length: count }, () => sampleJob(stores.clock.now(), given));
  for (const job of jobs) {
    await stores.state.createJob(job);
    await stores.queue.send({ jobId: job.id, tenant: job.account });
  }
  return jobs;
}
const update = async (jobs: Job[], event: Parameters<typeof stores.state.updateJob>[1]) => {
  for (const { id } of jobs) await stores.state.updateJob(id, event);
};
const FAST = { model: 'real-esrgan-fast' as const };

test('from zero to one for a photo, and back when nothing came for as long as a start takes', async () => {
  expect(await tick()).toBe(0);
  await submit(1);
  expect(await tick()).toBe(1);
  const message = await stores.queue.receive({ visibilitySeconds: 60, waitSeconds: 0 });
  await stores.queue.delete(message!.receipt);
  const after: number[] = [];
  for (let minute = 0; minute < 12; minute++) after.push(await tick());
  expect(after.slice(0, DEFAULT_SCALING.holdSeconds / 60 - 1)).not.toContain(0);
  expect(after.at(-1)).toBe(0);
  expect(after.toSorted((a, b) => b - a)).toEqual(after);
});

test('60 photos rent the workers they need', async () => {
  await submit(60);
  expect(await tick()).toBe(10);
  expect(waiting).toBe(60);
});

test.each<[string, (jobs: Job[]) => Promise<unknown>]>([
  ['were canceled', (jobs) => update(jobs, { type: 'cancel' })],
  [
    'were canceled and deleted',
    async (jobs) => {
      await update(jobs, { type: 'cancel' });
      await update(jobs, { type: 'delete' });
    },
  ],
  ['have failed', (jobs) => update(jobs, { type: 'fail', error: new AppError('worker-lost', 'Lost.') })],
  [
    'are done',
    async (jobs) => {
      await update(jobs, { type: 'claim' });
      await update(jobs, { type: 'succeed', attempt: 1, notes: [], output: SAMPLE_OUTPUT });
    },
  ],
])('messages of jobs that %s rent nobody, and make nobody wait', async (_, end) => {
  await end(await submit(60));
  expect(await tick()).toBe(0);
  expect(waiting).toBe(0);
});

test('submitting and canceling again and again is taken for no stream of photos', async () => {
  for (let minute = 0; minute < 4; minute++) {
    await update(await submit(40), { type: 'cancel' });
    expect(await tick()).toBe(0);
  }
});

test('a job whose cancel is not heard yet counts, for a worker has it', async () => {
  const jobs = await submit(60);
  await update(jobs, { type: 'claim' });
  await update(jobs, { type: 'cancel' });
  expect(await tick()).toBe(10);
});

test('jobs of test mode rent one worker, however many they are, and are no stream either', async () => {
  for (let minute = 0; minute < 3; minute++) {
    await submit(40, { test: true });
    expect(await tick()).toBe(1);
  }
});

test('a job whose message comes twice is one, and one whose message was lost has to be sent again first', async () => {
  const jobs = await submit(3);
  for (let i = 0; i < 57; i++) await stores.queue.send({ jobId: jobs[0]!.id, tenant: 'acc_one' });
  expect(await tick()).toBe(1);
  for (let i = 0; i < 60; i++) await stores.state.createJob(sampleJob(stores.clock.now()));
  // 63 unfinished jobs and 60 messages.
  expect(await tick()).toBe(10);
});

test('jobs that await their file are nothing to do yet', async () => {
  await submit(60, { input: undefined });
  expect(await tick()).toBe(0);
});

test('photos are weighed by their size and by the time of the last ones of the model', async () => {
  const pace = (seconds: number, work: number) => stores.state.recordPace(FAST.model, { seconds, work });
  const { parameters: usual } = sampleJob(0);
  const parameters = { ...usual, ...FAST };
  // Of 4 megapixels each: a second and a half by the learned pace.
  await pace(10, 27);
  await submit(60, { parameters, input: { width: 2000, height: 2000, bytes: 1, format: 'png' } });
  expect(await tick()).toBe(2);
  // It took ten times as long after all: 888 s, of which these two will have done 600 before others could start.
  for (let i = 0; i < 60; i++) await pace(100, 27);
  expect(await tick()).toBe(5);
});

test('photos that were submitted and done meanwhile are a stream', async () => {
  await tick();
  const jobs = await submit(50);
  await update(jobs, { type: 'claim' });
  await update(jobs, { type: 'succeed', attempt: 1, notes: [], output: SAMPLE_OUTPUT });
  fleet = { wanted: 3, ready: 3 };
  // 50 photos of 12 s in 300 s keep two and a half workers at work that are 80 % busy.
  expect(await tick()).toBe(3);
});
