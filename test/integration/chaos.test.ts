import { expect, test } from 'vitest';
import { runChaos } from '../support/chaos.ts';
import { PATIENCE_MILLISECONDS } from '../support/patience.ts';

/** The short form of `npm run bench -- chaos`. */
test('jobs survive kill -9 of the service and of its inference child at random moments', async () => {
  const report = await runChaos({
    jobs: 30,
    kills: 8,
    killEveryMilliseconds: [100, 1_500],
    timeoutSeconds: PATIENCE_MILLISECONDS / 1000,
    random: Math.random,
  });
  expect(report).toMatchObject({ succeeded: 30, lost: 0, stuck: 0, failed: 0, doubles: 0 });
  expect(report.kills.service).toBeGreaterThan(0);
});
