import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mutatedFiles } from '../bench/hostile-files.ts';
import { runHostile } from '../bench/hostile-run.ts';

/** The short form of `npm run bench -- hostile`. */
test('mutated files and hostile HTTP break nothing, leave nothing and cost nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-hostile-'));
  try {
    const files = await mutatedFiles({ seed: 7, count: 224, large: false });
    const { endings, faults } = await runHostile({ directory, seed: 7, files, maxInputPixels: 2 ** 16 });
    expect(faults).toEqual([]);
    expect(endings).toHaveLength(224);
    // Every way to end is among them, or else too little was tried.
    const kinds = new Set(endings.map(({ outcome }) => outcome.split(':')[0]));
    expect([...kinds].sort()).toEqual(['failed', 'refused', 'succeeded']);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
