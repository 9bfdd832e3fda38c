import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../../gpu-worker/weights/open-checkpoint.ts';
import { outcomeOf } from '../../../support/outcome.ts';
import {
  type LegacyFile,
  legacyBytes,
  legacyMagic,
  legacySystem,
  legacyVersion,
} from '../../../support/torch-legacy-sample.ts';
import { pickle } from '../../../support/weight-files.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-legacy-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function write(content: Buffer): Promise<string> {
  const path = join(directory, crypto.randomUUID());
  await writeFile(path, content);
  return path;
}

/** All tensors of a file, by name. */
async function readAll(content: Buffer) {
  await using checkpoint = await openCheckpoint(await write(content));
  const entries = [...checkpoint.tensors].map(async ([name, { shape, dtype }]) => {
    return [name, { dtype, shape, values: Array.from(await checkpoint.readValues(name)) }] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

const raw = (numbers: { buffer: ArrayBufferLike }) => Buffer.from(numbers.buffer);
/** A persistent id as it was written: `part` is a key, a first element and a number of elements. */
function storage(
  key: string,
  elements: number,
  { type = 'FloatStorage', device = 'cpu', part = pickle.none }: { type?: string; device?: string; part?: Buffer } = {},
): Buffer {
  const id = [pickle.global('torch', type), pickle.text(key), pickle.text(device), pickle.integer(elements), part];
  return Buffer.concat([pickle.tuple(pickle.text('storage'), ...id), Buffer.from('Q')]);
}
const partOf = (first: number, elements: number) =>
  pickle.tuple(pickle.text('94000'), pickle.integer(first), pickle.integer(elements));
const tensor = (of: Buffer, shape: number[], strides: number[], offset = 0) =>
  pickle.tensor(of, { shape, strides, offset });
const file = (tensors: Record<string, Buffer>) => pickle.file(pickle.dictionary(tensors));

const six = { key: '0', content: raw(Float32Array.of(1, 2, 3, 4, 5, 6)), elements: 6 };
const sound: LegacyFile = { data: file({ w: tensor(storage('0', 6), [2, 3], [3, 1]) }), storages: [six] };

describe('a file of torch.save before version 1.6', () => {
  test('gives its tensors from storages of any order, type and device', async () => {
    const halves = { key: '10', content: raw(Uint16Array.of(0x3c00, 0xc000)), elements: 2 };
    const doubles = { key: '2', content: raw(Float64Array.of(0.1)), elements: 1 };
    const integers = { key: '3', content: raw(BigInt64Array.of(-7n)), elements: 1 };
    const empty = { key: '4', content: Buffer.alloc(0), elements: 0 };
    const data = file({
      integer: tensor(storage('3', 1, { type: 'LongStorage' }), [], []),
      single: tensor(storage('0', 6), [6], [1]),
      half: tensor(storage('10', 2, { type: 'HalfStorage', device: 'cuda:0' }), [2, 1], [1, 1]),
      bfloat: tensor(storage('5', 1, { type: 'BFloat16Storage' }), [1], [1]),
      none: tensor(storage('4', 0), [0, 3], [3, 1]),
      double: tensor(storage('2', 1, { type: 'DoubleStorage' }), [1], [1]),
    });
    const bfloats = { key: '5', content: raw(Uint16Array.of(0x4040)), elements: 1 };
    expect(await readAll(legacyBytes({ data, storages: [halves, six, doubles, integers, empty, bfloats] }))).toEqual({
      integer: { dtype: 'I64', shape: [], values: [-7] },
      single: { dtype: 'F32', shape: [6], values: [1, 2, 3, 4, 5, 6] },
      half: { dtype: 'F16', shape: [2, 1], values: [1, -2] },
      bfloat: { dtype: 'BF16', shape: [1], values: [3] },
      none: { dtype: 'F32', shape: [0, 3], values: [] },
      double: { dtype: 'F64', shape: [1], values: [0.1] },
    });
  });

  test('may share storages, show parts of them, and turn or repeat their values', async () => {
    const data = file({
      whole: tensor(storage('0', 6), [2, 3], [3, 1]),
      turned: tensor(storage('0', 6), [3, 2], [1, 3]),
      last: tensor(storage('0', 6), [2], [1], 4),
      part: tensor(storage('0', 6, { part: partOf(2, 3) }), [2], [2]),
      repeated: tensor(storage('0', 6, { part: partOf(5, 1) }), [3], [0]),
    });
    const read = await readAll(legacyBytes({ data, storages: [six] }));
    const values = Object.fromEntries(Object.entries(read).map(([name, { values }]) => [name, values]));
    expect(values).toEqual({
      whole: [1, 2, 3, 4, 5, 6],
      turned: [1, 4, 2, 5, 3, 6],
      last: [5, 6],
      part: [3, 5],
      repeated: [6, 6, 6],
    });
  });

  test('may hold things that are no tensor: the versions of a module, storages that nothing shows, counters', async () => {
    const w = tensor(storage('0', 6), [6], [1]);
    const ordered = pickle.call(pickle.global('collections', 'OrderedDict'));
    const versions = pickle.dictionary({ _metadata: pickle.dictionary({ '': pickle.dictionary({}) }) });
    const module = Buffer.concat([ordered, Buffer.from('('), pickle.text('w'), w, Buffer.from('u'), versions]);
    const data = file({
      model: Buffer.concat([module, Buffer.from('b')]),
      iteration: pickle.integer(400_000),
      bare: storage('7', 1, { type: 'ByteStorage' }),
    });
    const bare = { key: '7', content: Buffer.from([1]), elements: 1 };
    expect(Object.keys(await readAll(legacyBytes({ data, storages: [bare, six] })))).toEqual(['model.w']);
  });

  test('of Python 2 has the entries of an OrderedDict as its arguments', async () => {
    const pair = Buffer.concat([Buffer.from(']('), Buffer.from('U\x01w'), tensor(storage('0', 6), [6], [1])]);
    const entries = Buffer.concat([Buffer.from(']('), pair, Buffer.from('ee')]);
    const data = pickle.file(pickle.call(pickle.global('collections', 'OrderedDict'), entries));
    expect((await readAll(legacyBytes({ ...sound, data }))).w!.values).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test.each([3, 4])('may be written in protocol %i', async (protocol) => {
    const frame = protocol === 4 ? '95ffffffffffffffff' : '';
    const rewrite = (bytes: Buffer) => Buffer.concat([Buffer.from(`800${protocol}${frame}`, 'hex'), bytes.subarray(2)]);
    const parts = { magic: rewrite(legacyMagic), version: rewrite(legacyVersion()), system: rewrite(legacySystem()) };
    expect(Object.keys(await readAll(legacyBytes({ ...sound, ...parts })))).toEqual(['w']);
  });
});

describe('a hostile file of that format is refused', () => {
  const w = (of: Buffer) => file({ w: tensor(of, [6], [1]) });
  const two = { ...six, key: '1' };
  const both = file({ a: tensor(storage('0', 6), [6], [1]), b: tensor(storage('1', 6), [6], [1]) });
  const many = Buffer.concat([Buffer.from(']('), Buffer.alloc(2 ** 14 + 1, 'N'), Buffer.from('e')]);
  const refused: [string, Partial<LegacyFile>, RegExp][] = [
    ['a number that is another', { magic: pickle.file(pickle.tuple(legacyMagic.subarray(2, -1))) }, /begin with/],
    ['a version that is not known', { version: legacyVersion(1002) }, /version is 1002, not 1001/],
    ['two versions', { system: legacySystem({ version: 7 }) }, /version is 7, not 1001/],
    ['a big-endian machine', { system: legacySystem({ little: pickle.false }) }, /byte order is not little-endian/],
    ['no byte order', { system: legacySystem({ little: pickle.none }) }, /byte order is not little-endian/],
    ['no machine', { system: pickle.file(pickle.none) }, /on what machine/],
    [
      'a call',
      { data: pickle.file(pickle.call(pickle.global('posix', 'system'), pickle.text('id'))) },
      /posix\.system/,
    ],
    ['a class of its own', { data: pickle.file(pickle.global('__main__', 'Net')) }, /__main__\.Net/],
    ['a call before the tensors', { version: pickle.file(pickle.global('torch', 'FloatStorage')) }, /torch\.FloatSt/],
    ['a storage before the tensors', { version: pickle.file(Buffer.from('NQ')) }, /where none belongs/],
    [
      'a source of a module',
      { data: pickle.file(Buffer.concat([pickle.tuple(pickle.text('module')), Buffer.from('Q')])) },
      /rules/,
    ],
    [
      'fewer elements than are declared',
      { storages: [{ ...six, elements: 5 }] },
      /0 has 5 elements, the pickle declares 6/,
    ],
    ['more elements than numbers can count', { storages: [{ ...six, elements: -1 }] }, /18446744073709551615 elements/],
    [
      'more elements than there are',
      { data: w(storage('0', 2 ** 40)), storages: [{ ...six, elements: 2 ** 40 }] },
      /ends within the storage 0/,
    ],
    ['a view beyond its storage', { data: w(storage('0', 5)) }, /leaves its storage of 5/],
    [
      'a part beyond its storage',
      { data: w(storage('0', 6, { part: partOf(1, 6) })) },
      /part of 6 elements at 1 leaves its storage of 6/,
    ],
    ['a view beyond its part', { data: w(storage('0', 6, { part: partOf(1, 5) })) }, /leaves its storage of 5/],
    ['a part that is none', { data: w(storage('0', 6, { part: partOf(-1, 6) })) }, />=0/],
    [
      'a storage that is two',
      {
        data: file({
          a: tensor(storage('0', 6), [6], [1]),
          b: tensor(storage('0', 3, { type: 'DoubleStorage' }), [3], [1]),
        }),
      },
      /two declarations of the storage 0 differ/,
    ],
    ['a storage that is not in the list', { data: both }, /storage 1 is declared and not in the list/],
    ['a storage that is not declared', { storages: [six, two] }, /lists the storage 1, which is not declared/],
    ['a storage twice', { storages: [six, six] }, /lists the storage 0 twice/],
    ['no list', { keys: pickle.file(pickle.dictionary({})) }, /no list of its storages/],
    [
      'a list that holds itself',
      { keys: pickle.file(Buffer.from(']q\0h\0a', 'latin1')) },
      /lists the storage something else/,
    ],
    ['a list without end', { keys: pickle.file(many) }, /lists 16385 storages, at most 16384/],
    [
      'pickles without end',
      { data: Buffer.concat([Buffer.from([0x80, 2]), pickle.text('x'.repeat(2 ** 24))]) },
      /at most 16777216 bytes of pickles are read/,
    ],
    ['a path as its key', { data: w(storage('../0', 6)) }, /\.\.\/0 is not the key of a storage/],
  ];
  test.each(refused)('%s', async (_name, parts, message) => {
    await expect(readAll(legacyBytes({ ...sound, ...parts }))).rejects.toMatchObject({
      name: 'AppError',
      code: 'engine-failed',
      message: expect.stringMatching(message),
    });
  });

  test('an OrderedDict with a key twice, or with arguments of its own', async () => {
    const call = (entries: Buffer) =>
      legacyBytes({ ...sound, data: pickle.file(pickle.call(pickle.global('collections', 'OrderedDict'), entries)) });
    const pair = pickle.tuple(pickle.text('a'), pickle.none);
    const list = (...items: Buffer[]) => Buffer.concat([Buffer.from(']('), ...items, Buffer.from('e')]);
    await expect(readAll(call(list(pair, pair)))).rejects.toThrow(/OrderedDict has a key twice/);
    await expect(readAll(call(list(pickle.none)))).rejects.toThrow(/against the rules/);
  });

  test('cut anywhere, or with more behind its end', async () => {
    const whole = legacyBytes(sound);
    for (let bytes = 0; bytes < whole.length; bytes++) {
      expect(await outcomeOf(readAll(whole.subarray(0, bytes))), `${bytes} bytes`).toBe('engine-failed');
    }
    await expect(readAll(Buffer.concat([whole, whole]))).rejects.toThrow(`${whole.length} bytes follow`);
  });
});
