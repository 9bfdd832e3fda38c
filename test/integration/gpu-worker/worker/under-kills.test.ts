import { expect, test } from 'vitest';
import { runUnderKills } from '../../../support/under-kills.ts';

/** The short form of `npm run bench -- devices`, which does it with 1,000 jobs. */
test('deaths of three inference processes lose no job, fail none and charge none twice', async () => {
  const seed = Date.now() % 1_000_000;
  const report = await runUnderKills(40, seed);
  expect(report, `seed ${seed}`).toMatchObject({
    succeeded: 40,
    lost: 0,
    failed: 0,
    doubleCaptures: 0,
    ledgerFaults: [],
  });
  expect(report.kills, `seed ${seed}`).toBeGreaterThan(0);
});
