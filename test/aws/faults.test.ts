import { beforeAll, describe, expect, it } from 'vitest';
import { openAwsWorld } from '../support/aws-world.ts';
import { FAULTS } from '../support/faults.ts';
import { openLocalWorld } from '../support/local-world.ts';
import { pngOf } from '../support/service.ts';
import { skewDate } from '../support/skewed-clock.ts';
import { createTrials, faultsOf } from '../support/trials.ts';
import { PARTS, startServers } from '../support/troubled-stores.ts';
import type { World } from '../support/world.ts';

/**
 * The same life of an account as in local-faults.test.ts, on AWS: undisturbed and with some fifty faults, each at
 * every call that it can be at, its outcome is always that of the local mode. Time is made short: pauses of the SDK, of
 * workers and of clients, and the clock; and several worlds live side by side.
 */

/** As many tests as Vitest runs at the same time; each world has its own table, bucket, queues, proxies and engine. */
const WORLDS = 5;
/** It is signed without asking anybody. */
const UNUSED = ['signForm'];
/** Calls of long attempts only, and those that depend on which of worker and API is first with a job of a batch. */
const BY_CHANCE = /^updateJob (progress|heartbeat):|^updateJob (claim|sent): BatchGetItem$/;

let trials: ReturnType<typeof createTrials>;
let local: World;
let worlds: World[];
const verbs = { all: new Set<string>(), used: new Set<string>() };

beforeAll(async () => {
  const straighten = skewDate();
  const photo = await pngOf(12, 8);
  const servers = await startServers();
  trials = createTrials(photo, BY_CHANCE);
  local = await openLocalWorld(photo);
  worlds = await Promise.all(Array.from({ length: WORLDS }, () => openAwsWorld(servers, photo, verbs)));
  return async () => {
    for (const world of [local, ...worlds]) await world.close();
    await servers.close();
    straighten();
  };
});

it('the same comes of a life that nothing disturbs as in the local mode', async () => {
  // The model is loaded before: a job that waits for it says so.
  await trials.warmUp([local, ...worlds]);
  const there = await trials.measure(local);
  expect(await trials.measure(worlds[0]!)).toEqual(there);
  expect([...verbs.all].filter((name) => !verbs.used.has(name)).sort()).toEqual(UNUSED);
});

const faults = faultsOf('AWS', FAULTS);

describe('the same comes of it where', () => {
  it.concurrent.each(faults)('%s', async (name, fault) => {
    const world = worlds.pop()!;
    try {
      await trials.endure(world, name, fault);
    } finally {
      worlds.push(world);
    }
  });
});

it('no call was left out', () => {
  const names = faults.filter(([, { part }]) => part !== undefined).map(([name]) => name);
  expect(names).toHaveLength(8 * PARTS.length);
  expect(trials.missed).toEqual(Object.fromEntries(names.map((name) => [name, []])));
});
