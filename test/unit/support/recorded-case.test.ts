import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCase, type RecordedCase } from '../../support/recorded-case.ts';

/** A set of one case whose outputs have the types and the rules that networks alone do not need. */

const SIZE = 8;
const LEVELS = Uint8Array.from({ length: SIZE }, (_, index) => 20 * index);
const TENSORS = {
  half: { dtype: 'F16', bytes: new Uint8Array(new Float16Array([1, -2, 0.25, 65504, 2 ** -24, 0, 3, 7]).buffer) },
  mask: {
    dtype: 'I8',
    bytes: new Uint8Array(Int8Array.from({ length: SIZE }, (_, index) => -100 * (index % 2)).buffer),
  },
  picture: { dtype: 'U8', bytes: LEVELS },
};

let folder: string;
let recorded: RecordedCase;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seesr-set-'));
  let end = 0;
  const header = Object.entries(TENSORS).map(([name, { dtype, bytes }]) => {
    const start = end;
    end += bytes.length;
    return [name, { dtype, shape: [SIZE], data_offsets: [start, end] }];
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const data = Object.values(TENSORS).map(({ bytes }) => bytes);
  await writeFile(join(folder, 'values.safetensors'), Buffer.concat([length, text, ...data]));
  const entry = (tensor: string, rule: object) => ({
    file: 'values.safetensors',
    tensor,
    shape: [SIZE],
    dtype: '',
    ...rule,
  });
  const one = {
    id: 'one',
    kind: 'any',
    title: '',
    exercises: '',
    parameters: {},
    inputs: { half: entry('half', {}) },
    outputs: {
      mask: entry('mask', { exact: true }),
      picture: entry('picture', { levels: 2, share: 0.25 }),
      // Of the levels they are 70 and 20 · √(63 / 12) = 45.825757.
      rounded: entry('picture', { exact: true, mean: 70, std: 45.82576 }),
      wrong: entry('picture', { exact: true, mean: 70, std: 45.8258 }),
    },
  };
  await writeFile(join(folder, 'cases.json'), JSON.stringify({ format: 2, system: 'any', cases: [one] }));
  recorded = await openCase('one', folder);
});
afterAll(() => rm(folder, { recursive: true }));

test('halves are read as they are, masks with their sign', async () => {
  expect([...(await recorded.tensor('half')).data]).toEqual([1, -2, 0.25, 65504, 2 ** -24, 0, 3, 7]);
  expect([...(await recorded.recorded('mask')).data]).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map((at) => (at % 2) * -100 + 0),
  );
});

test('mean and deviation are compared with the digits that are recorded', async () => {
  expect((await recorded.compare('rounded', LEVELS)).passes).toBe(true);
  expect((await recorded.compare('wrong', LEVELS)).passes).toBe(false);
});

/** The recorded picture with some values changed by so much. */
const changed = (by: number, count: number) => LEVELS.map((level, index) => (index < count ? level + by : level));

test.each([
  { by: 0, count: 0, passes: true },
  { by: 2, count: 2, passes: true },
  { by: 1, count: 3, passes: false },
  { by: 3, count: 1, passes: false },
])('$count of 8 values $by levels off, where 2 may be 2 off: $passes', async ({ by, count, passes }) => {
  const compared = await recorded.compare('picture', changed(by, count));
  expect(compared.passes).toBe(passes);
  expect(compared.message).toContain(`within 2 levels, 25 % of the values; ${by === 0 ? 0 : count} values differ`);
});
