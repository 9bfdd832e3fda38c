import { expect, test } from 'vitest';
import { runChaos } from '../../support/chaos.ts';
import { PATIENCE_MILLISECONDS } from '../../support/patience.ts';

/** The short form of `npm run bench -- chaos`: each fault once, but that the database is locked for a moment only. */
test('jobs survive faults of processes, disk, clock and connections', async () => {
  const report = await runChaos({
    jobs: 30,
    seed: Date.now() % 1_000_000,
    rounds: 1,
    pauseMilliseconds: [50, 400],
    lockMilliseconds: [300, 900],
    timeoutSeconds: PATIENCE_MILLISECONDS / 1000,
  });
  const seed = `seed ${report.seed}`;
  expect(report.violations, seed).toEqual([]);
  expect(report, seed).toMatchObject({ lost: 0, stuck: 0, doubleCaptures: 0 });
  expect(report.endings.succeeded, seed).toBeGreaterThan(15);
  expect(report.injected['kill -9 of the service'], seed).toBeGreaterThan(0);
  expect(report.felt.resets, seed).toBeGreaterThan(0);
});
