import { afterEach, beforeEach, expect, test } from 'vitest';
import { scale } from '../../functions/scale/scale.ts';
import { createLog } from '../../shared/log.ts';
import { DEFAULT_SCALING, type ScalingSample } from '../../shared/scaling.ts';
import { makeDirectory, openLocalStores } from '../support/local-stores.ts';
import { sampleJob } from '../support/sample-job.ts';

let stores: ReturnType<typeof openLocalStores>;
let remove: () => Promise<void>;
let fleet: { wanted: number; ready: number };
let samples: ScalingSample[];

beforeEach(async () => {
  const made = await makeDirectory();
  remove = made.remove;
  stores = openLocalStores(made.directory);
  fleet = { wanted: 0, ready: 0 };
  samples = [];
});
afterEach(async () => {
  stores.database.close();
  await remove();
});

/** A minute later, with all that was asked for running. */
async function tick() {
  stores.clock.advance(60);
  await scale({
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
      read: async () => samples,
      write: async (kept) => {
        samples = [...kept];
      },
    },
  });
  return fleet.wanted;
}

test('from zero to one for a photo, and back when nothing came for as long as a start takes', async () => {
  expect(await tick()).toBe(0);
  await stores.state.createAccount({ id: 'acc_one', name: 'one', created_at: new Date().toISOString() });
  const job = sampleJob(stores.clock.now());
  await stores.state.createJob(job);
  await stores.queue.send({ jobId: job.id, tenant: job.account });
  expect(await tick()).toBe(1);
  const message = await stores.queue.receive({ visibilitySeconds: 60, waitSeconds: 0 });
  await stores.queue.delete(message!.receipt);
  const after: number[] = [];
  for (let minute = 0; minute < 12; minute++) after.push(await tick());
  expect(after.slice(0, DEFAULT_SCALING.holdSeconds / 60 - 1)).not.toContain(0);
  expect(after.at(-1)).toBe(0);
  expect(after.toSorted((a, b) => b - a)).toEqual(after);
});
