import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCheckpoint } from '../../../../gpu-worker/weights/open-checkpoint.ts';
import { outcomeOf } from '../../../support/outcome.ts';

/** Recorded with PyTorch and safetensors; its README explains each file. */
const samples = fileURLToPath(new URL('../../../fixtures/seesr/samples', import.meta.url));

interface Expected {
  readable: Record<string, Record<string, { dtype: string; shape: number[]; values: number[] }>>;
  refused: Record<string, string>;
}
const expected: Expected = JSON.parse(await readFile(join(samples, 'expected.json'), 'utf8'));
/** A file that need not be read, but then equals another one. */
const LEGACY = 'pickle/legacy.pth';
expected.readable[LEGACY] = expected.readable['pickle/dtypes.pth']!;
delete expected.refused[LEGACY];

const DTYPES: Record<string, string> = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  int32: 'I32',
  uint8: 'U8',
  bool: 'BOOL',
};

/** The message about each file that is refused. */
const REASONS: Record<string, RegExp> = {
  'pickle/os_system.pth': /refers to posix\.system.*nothing was executed/,
  'pickle/eval.pth': /refers to __builtin__\.eval/,
  'pickle/getattr.pth': /refers to __builtin__\.getattr/,
  'pickle/popen.pth': /refers to subprocess\.Popen/,
  'pickle/short_storage.pth': /storage of w has 20 bytes, the pickle declares 48/,
  'pickle/outside.pth': /view \[3,4\] .* at 8 leaves its storage of 12/,
  'pickle/huge_shape.pth': /view \[2147483647,2147483647\] .* leaves its storage of 12/,
  'pickle/negative.pth': /expected number to be >=0/,
  'pickle/missing_storage.pth': /no member archive\/data\/1/,
  'pickle/traversal.pth': /\.\.\/\.\.\/\.\.\/etc\/passwd is not the key of a storage/,
  'pickle/compressed.pth': /archive\/data\.pkl is compressed/,
  'pickle/cut.pth': /its directory at the end is missing/,
  'pickle/endless.pth': /nested deeper than 32 levels/,
  'pickle/memo.pth': /reads memo 7, which was never set/,
  'pickle/not_pickle.pth': /is not a valid pickle/,
  'pickle/empty.pth': /it is empty/,
  'pickle/text.pth': /it is a web page/,
  'safetensors/long_header.safetensors': /header claims 1000000000000 bytes/,
  'safetensors/overlap.safetensors': /b starts at 4, the tensor before it ends at 8/,
  'safetensors/hole.safetensors': /b starts at 12, the tensor before it ends at 8/,
  'safetensors/short_data.safetensors': /tensors need 8 bytes, it holds 4/,
  'safetensors/trailing.safetensors': /tensors need 8 bytes, it holds 12/,
  'safetensors/wrong_size.safetensors': /a has 8 bytes, F32 \[3\] needs 12/,
  'safetensors/backwards.safetensors': /a starts at 8/,
  'safetensors/negative.safetensors': /entry of a is not valid.*>=0/,
  'safetensors/unknown_type.safetensors': /the type Q99 is not supported/,
  'safetensors/not_json.safetensors': /header is not JSON/,
  'safetensors/duplicate.safetensors': /the name a stands twice/,
  'safetensors/deep.safetensors': /nested deeper than 16 levels/,
  'safetensors/tiny.safetensors': /begins with the bytes 0102/,
};

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-samples-'));
});
afterAll(() => rm(directory, { recursive: true }));

test.each(Object.entries(expected.readable))('%s is read as it was written', async (file, tensors) => {
  await using checkpoint = await openCheckpoint(join(samples, file));
  expect(new Set(checkpoint.tensors.keys())).toEqual(new Set(Object.keys(tensors)));
  for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
    expect(checkpoint.tensors.get(name)).toEqual({ shape, dtype: DTYPES[dtype] });
    expect(Array.from(await checkpoint.readValues(name))).toEqual(values);
    expect(Array.from(await checkpoint.read(name))).toEqual(values.map(Math.fround));
  }
});

test('every other sample is refused with its reason; nothing is executed and no memory spent on declared sizes', async () => {
  expect(Object.keys(REASONS).toSorted()).toEqual(Object.keys(expected.refused).toSorted());
  const { rss } = process.memoryUsage();
  for (const [file, reason] of Object.entries(REASONS)) {
    await expect(openCheckpoint(join(samples, file)), file).rejects.toMatchObject({
      name: 'AppError',
      code: 'engine-failed',
      message: expect.stringMatching(reason),
    });
  }
  // All samples together have 40 KB, and declare terabytes.
  expect(process.memoryUsage().rss - rss).toBeLessThan(100e6);
  for (const folder of [process.cwd(), samples, join(samples, 'pickle'), tmpdir()]) {
    expect(await readdir(folder)).not.toContain('SHOULD_NOT_EXIST');
  }
});

/** Deterministic numbers 0 .. below − 1 (a linear congruential generator, Numerical Recipes). */
function createDice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test.each([
  'pickle/dtypes.pth',
  'pickle/model_key.pth',
  'pickle/views.pth',
  'pickle/state_dict.pth',
  'pickle/handmade.pth',
  LEGACY,
  'safetensors/dtypes.safetensors',
  'safetensors/model.safetensors.index.json',
])('a damaged %s gives tensors or an AppError, nothing else', async (file) => {
  const sound = await readFile(join(samples, file));
  for (const shard of await readdir(dirname(join(samples, file)))) {
    if (shard.startsWith('model-')) {
      await writeFile(join(directory, shard), await readFile(join(samples, 'safetensors', shard)));
    }
  }
  const dice = createDice(sound.length);
  const path = join(directory, 'damaged');
  const outcomes = new Set<string>();
  for (let round = 0; round < 120; round++) {
    const damaged = Buffer.from(sound);
    for (let flips = dice(4); flips >= 0; flips--) damaged[dice(damaged.length)]! ^= 1 << dice(8);
    await writeFile(path, round % 4 === 0 ? damaged.subarray(0, dice(damaged.length)) : damaged);
    outcomes.add(await outcomeOf(readAll(path)));
  }
  expect(outcomes).toContain('engine-failed');
  expect(['engine-failed', 'fulfilled']).toEqual(expect.arrayContaining([...outcomes]));
});

async function readAll(path: string): Promise<void> {
  await using checkpoint = await openCheckpoint(path);
  for (const name of checkpoint.tensors.keys()) await checkpoint.read(name);
}
