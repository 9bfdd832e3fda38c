import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../../gpu-worker/weights/open-checkpoint.ts';
import { mutatedFiles } from '../bench/hostile-files.ts';
import { runHostile } from '../bench/hostile-run.ts';
import { mutateBytes } from '../support/mutations.ts';
import { outcomeOf } from '../support/outcome.ts';
import { createRandom } from '../support/random.ts';
import { pickle, safetensorsBytes, zipBytes } from '../support/weight-files.ts';

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

/** Two tensors in a list, of which one is a view of a part of its storage. */
function torchBytes(): Buffer {
  const storage = pickle.storage(pickle.global('torch', 'FloatStorage'), '0', 4);
  const tensors = [
    pickle.tensor(storage, { shape: [2, 2], strides: [2, 1] }),
    pickle.tensor(storage, { offset: 1, shape: [3], strides: [1] }),
  ];
  const root = pickle.dictionary({
    epoch: pickle.integer(3),
    model: pickle.dictionary({ a: tensors[0]!, b: tensors[1]! }),
  });
  return zipBytes({ 'a/data.pkl': pickle.file(root), 'a/data/0': Buffer.from(Float32Array.of(1, 2, 3, 4).buffer) });
}

test('mutated checkpoints are read or refused, by an error of ours', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-checkpoints-'));
  const random = createRandom(7);
  const tensor = { shape: [2, 2], values: [1, 2, 3, 4] };
  const files = [safetensorsBytes({ a: tensor, b: { shape: [1], values: [5] } }), torchBytes()];
  const counts: Record<string, number> = {};
  try {
    for (let i = 0; i < 600; i++) {
      const [file, other] = i % 2 === 0 ? [files[0]!, files[1]!] : [files[1]!, files[0]!];
      const path = join(directory, String(i));
      await writeFile(path, mutateBytes(file, other, random));
      const outcome = await outcomeOf(readAll(path));
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    }
  } finally {
    await rm(directory, { recursive: true });
  }
  expect(Object.keys(counts).sort()).toEqual(['engine-failed', 'fulfilled']);
});

async function readAll(path: string): Promise<void> {
  await using checkpoint = await openCheckpoint(path);
  for (const name of checkpoint.tensors.keys()) await checkpoint.readValues(name);
}
