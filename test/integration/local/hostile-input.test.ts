import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mutatedFiles } from '../../bench/hostile-files.ts';
import { runHostile } from '../../bench/hostile-run.ts';

/** Every mutation of every format once. */
const FILES = 16 * 7;

/** The short form of `npm run bench -- hostile`. */
test('mutated files and hostile HTTP break nothing, leave nothing and cost nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-hostile-'));
  try {
    const files = await mutatedFiles({ seed: 7, count: FILES, large: false });
    const { endings, faults } = await runHostile({ directory, seed: 7, files, maxInputPixels: 2 ** 16 });
    expect(faults).toEqual([]);
    expect(endings).toHaveLength(FILES);
    // Every way to end is among them, or else too little was tried.
    const kinds = new Set(endings.map(({ outcome }) => outcome.split(':')[0]));
    expect([...kinds].sort()).toEqual(['failed', 'refused', 'succeeded']);
    expect(new Set(endings.map(({ format, kind }) => `${format}, ${kind}`)).size).toBe(FILES);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
