import { afterEach, beforeEach, expect, test } from 'vitest';
import { runLedger } from '../support/ledger-run.ts';
import { openStorm, STORM_ACCOUNT, stormFaults } from '../support/ledger-storm.ts';
import { makeDirectory } from '../support/local-stores.ts';

let directory: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ directory, remove } = await makeDirectory());
});
afterEach(() => remove());

test('no order of steps, no repeat and no kill -9 moves a micro-unit to the wrong place', async () => {
  const run = { directory, seed: 5, interleavings: 400, reopenEvery: 40, killedInterleavings: 60, kills: 4 };
  const { faults, ends, interleavings, jobs } = await runLedger(run);
  expect(faults).toEqual([]);
  expect(interleavings).toBeGreaterThanOrEqual(460);
  // Some could not be paid.
  expect(jobs).toBeLessThan(interleavings);
  expect(Object.keys(ends)).toEqual(
    expect.arrayContaining(['succeeded', 'failed', 'canceled', 'expired', 'queued', 'awaiting_upload']),
  );
});

test('wrong figures are found', async () => {
  const run = { directory, seed: 6, interleavings: 30, reopenEvery: 30, killedInterleavings: 0, kills: 0 };
  expect((await runLedger(run)).faults).toEqual([]);
  const { state, database } = await openStorm(directory);
  const { balance } = await state.getStatement(STORM_ACCOUNT);
  database.exec(`UPDATE accounts SET balance = balance + 1 WHERE id = '${STORM_ACCOUNT}'`);
  expect(await stormFaults(state)).toHaveLength(2);
  database.exec(`UPDATE accounts SET balance = ${balance} WHERE id = '${STORM_ACCOUNT}'`);
  expect(await stormFaults(state)).toEqual([]);
  database.exec(`UPDATE jobs SET data = json_set(data, '$.charge.amount', 1) WHERE status = 'succeeded'`);
  expect((await stormFaults(state)).length).toBeGreaterThan(0);
  database.close();
});
