import { beforeAll, describe, expect, it } from 'vitest';
import { FAULTS } from '../support/faults.ts';
import { type LocalWorld, openLocalWorld } from '../support/local-world.ts';
import { pngOf } from '../support/service.ts';
import { skewDate } from '../support/skewed-clock.ts';
import { createTrials, faultsOf } from '../support/trials.ts';

/**
 * The same life of an account, undisturbed and with some forty faults, each at every call that it can be at: its outcome is
 * always the same. Time is made short: pauses of workers and of clients, the patience with the stores, and the clock. For the
 * same on AWS, see faults.test.ts.
 */

/** They are signed, and looked at, without asking anybody. */
const UNUSED = ['signForm', 'verifySignedForm'];
/** Calls of long attempts only. */
const BY_CHANCE = /^updateJob (progress|heartbeat):/;

let trials: ReturnType<typeof createTrials>;
let world: LocalWorld;
const verbs = { all: new Set<string>(), used: new Set<string>() };

beforeAll(async () => {
  const straighten = skewDate();
  const photo = await pngOf(12, 8);
  trials = createTrials(photo, BY_CHANCE);
  world = await openLocalWorld(photo, verbs);
  return async () => {
    await world.close();
    straighten();
  };
});

it('a life that nothing disturbs uses every verb', async () => {
  await trials.warmUp([world]);
  const outcome = await trials.measure(world);
  expect(outcome).toMatchObject({ 'problems, before': [], 'problems, after': [], queueIsEmpty: true });
  expect(outcome.first).toMatchObject({ body: { status: 'succeeded', charge: { state: 'captured' } } });
  expect([...verbs.all].filter((name) => !verbs.used.has(name)).sort()).toEqual(UNUSED);
});

const faults = faultsOf('local', FAULTS);

describe('the same comes of it where', () => {
  it.each(faults)('%s', (name, fault) => trials.endure(world, name, fault));
});

it('no call was left out', () => {
  const names = faults.filter(([, { part }]) => part !== undefined).map(([name]) => name);
  expect(trials.missed).toEqual(Object.fromEntries(names.map((name) => [name, []])));
});
