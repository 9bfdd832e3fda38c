import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { LIMITS, needsOf, renderCapacity } from '../../support/capacity.ts';

test('docs/scaling.md tells the numbers that are computed', async () => {
  const document = await readFile(new URL('../../../docs/scaling.md', import.meta.url), 'utf8');
  expect(document).toContain(renderCapacity());
});

test('the part that docs/scaling.md says breaks first, breaks first', () => {
  const hundred = needsOf(100);
  expect(hundred.gpus).toBeGreaterThan(LIMITS.gpus);
  expect(hundred.tableWrites).toBeLessThan(LIMITS.tableWrites);
  expect(hundred.lambdaConcurrency).toBeLessThan(LIMITS.lambdaConcurrency);
  const thousands = needsOf(10_000);
  expect(thousands.tableWrites).toBeGreaterThan(LIMITS.tableWrites);
  expect(thousands.queueInFlight).toBeGreaterThanOrEqual(LIMITS.queueInFlight);
  expect(thousands.bucketWrites).toBeGreaterThan(LIMITS.bucketWrites);
});
