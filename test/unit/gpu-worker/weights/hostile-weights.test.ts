import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readHostileWeights } from '../../../bench/hostile-weights.ts';

/** The short form of `npm run bench -- hostile --part weights`. */
test('mutated weight files give their tensors, or numbers that they hold, or a reason', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-hostile-weights-'));
  try {
    const { readings, faults } = await readHostileWeights(directory, 7, 980);
    expect(faults).toEqual([]);
    expect(readings).toHaveLength(980);
    // Every way to end is among them, or else too little was tried.
    expect(new Set(readings.map(({ outcome }) => outcome)).size).toBe(3);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
