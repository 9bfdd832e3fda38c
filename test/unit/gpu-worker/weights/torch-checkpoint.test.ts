import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../../../gpu-worker/weights/open-checkpoint.ts';
import { directoryEntry, localHeader, pickle, safetensorsBytes, zipBytes } from '../../../support/weight-files.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-torch-'));
});
afterAll(() => rm(directory, { recursive: true }));

async function write(content: Buffer | string, name: string = crypto.randomUUID()): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

interface Archive {
  root: Buffer;
  storage?: Buffer;
  others?: Record<string, Buffer>;
}

const archive = ({ root, storage = Buffer.alloc(0), others = {} }: Archive) =>
  write(zipBytes({ 'a/data.pkl': pickle.file(root), 'a/data/0': storage, ...others }));

const floatStorage = (elements: number) => pickle.storage(pickle.global('torch', 'FloatStorage'), '0', elements);
const four = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer);
const one = pickle.dictionary({ w: pickle.tensor(floatStorage(4), { shape: [4], strides: [1] }) });

describe('a PyTorch checkpoint', () => {
  test('of nested dictionaries and lists gives its tensors; everything else is ignored', async () => {
    const tensor = pickle.tensor(floatStorage(4), { shape: [2], strides: [1] });
    const list = Buffer.concat([Buffer.from(']('), tensor, tensor, Buffer.from('e')]);
    const root = pickle.dictionary({ epoch: pickle.integer(3), model: pickle.dictionary({ 'a.b': tensor }), list });
    await using checkpoint = await openCheckpoint(await archive({ root, storage: four }));
    expect([...checkpoint.tensors.keys()]).toEqual(['model.a.b', 'list.0', 'list.1']);
  });

  test('of untyped storages takes the type that stands beside them', async () => {
    const storage = pickle.storage(pickle.global('torch.storage', 'UntypedStorage'), '0', 8);
    const rebuild = pickle.global('torch._utils', '_rebuild_tensor_v3');
    const parameters = [pickle.integer(1), pickle.tuple(pickle.integer(3)), pickle.tuple(pickle.integer(1))];
    const type = pickle.global('torch', 'uint16');
    const root = pickle.dictionary({
      w: pickle.call(rebuild, storage, ...parameters, pickle.false, pickle.none, type),
    });
    const bytes = Buffer.from(Uint16Array.of(1, 40000, 3, 65535).buffer);
    await using checkpoint = await openCheckpoint(await archive({ root, storage: bytes }));
    expect(checkpoint.tensors.get('w')).toEqual({ shape: [3], dtype: 'U16' });
    expect(Array.from(await checkpoint.read('w'))).toEqual([40000, 3, 65535]);
  });

  test('of 2017 has tensors without hooks', async () => {
    const rebuild = pickle.global('torch._utils', '_rebuild_tensor');
    const sizes = [2, 1].map((size) => pickle.tuple(pickle.integer(size)));
    const w = pickle.call(rebuild, floatStorage(4), pickle.integer(1), ...sizes);
    await using checkpoint = await openCheckpoint(await archive({ root: pickle.dictionary({ w }), storage: four }));
    expect(Array.from(await checkpoint.read('w'))).toEqual([2, 3]);
  });

  test('may be one tensor, whose name is empty', async () => {
    const root = pickle.tensor(floatStorage(4), { shape: [2, 2], strides: [2, 1] });
    await using checkpoint = await openCheckpoint(await archive({ root, storage: four }));
    expect([...checkpoint.tensors]).toEqual([['', { shape: [2, 2], dtype: 'F32' }]]);
    expect(Array.from(await checkpoint.read(''))).toEqual([1, 2, 3, 4]);
  });

  test('of more than 4 GB is read at its offsets (ZIP64)', async () => {
    const path = join(directory, 'large');
    const file = await open(path, 'w');
    const content = pickle.file(one);
    const pickleAt = 5 * 2 ** 30;
    const storageAt = pickleAt + 30 + 'a/data.pkl'.length + content.length;
    // A sparse file: the first five gigabytes take no space on the disk.
    await file.write(Buffer.concat([localHeader('a/data.pkl', content.length), content]), 0, undefined, pickleAt);
    await file.write(Buffer.concat([localHeader('a/data/0', four.length), four]), 0, undefined, storageAt);
    const directoryAt = storageAt + 30 + 'a/data/0'.length + four.length;
    const entries = Buffer.concat([
      directoryEntry('a/data.pkl', content.length, 0xffffffff, zip64Field(pickleAt)),
      directoryEntry('a/data/0', four.length, 0xffffffff, zip64Field(storageAt)),
    ]);
    await file.write(Buffer.concat([entries, zip64End(2, entries.length, directoryAt)]), 0, undefined, directoryAt);
    await file.close();
    await using checkpoint = await openCheckpoint(await startingLikeZip(path));
    expect(Array.from(await checkpoint.read('w'))).toEqual([1, 2, 3, 4]);
  });
});

async function startingLikeZip(path: string): Promise<string> {
  const file = await open(path, 'r+');
  await file.write(localHeader('empty', 0), 0, undefined, 0);
  await file.close();
  return path;
}

/** APPNOTE.TXT 4.5.3: here only the position did not fit into its usual place. */
function zip64Field(position: number): Buffer {
  const field = Buffer.alloc(12);
  field.writeUInt16LE(0x0001, 0);
  field.writeUInt16LE(8, 2);
  field.writeBigUInt64LE(BigInt(position), 4);
  return field;
}

/** The ZIP64 record, its locator and the usual end, APPNOTE.TXT 4.3.14 to 4.3.16. */
function zip64End(count: number, bytes: number, position: number): Buffer {
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(BigInt(count), 32);
  record.writeBigUInt64LE(BigInt(bytes), 40);
  record.writeBigUInt64LE(BigInt(position), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(position + bytes), 8);
  const end = Buffer.alloc(22, 0xff);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(0, 20);
  return Buffer.concat([record, locator, end]);
}

/** An object of a program (TorchScript), with its attributes. */
function object(
  attributes: Record<string, Buffer>,
  type = pickle.global('__torch__.net', '___torch_mangle_3.Net'),
): Buffer {
  return Buffer.concat([type, Buffer.from([0x29, 0x81]), pickle.dictionary(attributes), Buffer.from('b')]);
}

describe('a program (TorchScript)', () => {
  const program = { 'a/constants.pkl': pickle.file(pickle.none), 'a/code/__torch__/net.py': Buffer.from('raise') };
  const w = pickle.tensor(floatStorage(4), { shape: [4], strides: [1] });
  const read = async (root: Buffer) => await openCheckpoint(await archive({ root, storage: four, others: program }));

  test('gives its state under the names of a state_dict; other attributes and the code are ignored', async () => {
    const block = object({ training: pickle.false, weight: w, hook: pickle.none });
    await using checkpoint = await read(object({ layer1: object({ 0: block }), size: pickle.integer(7), scale: w }));
    expect([...checkpoint.tensors.keys()]).toEqual(['layer1.0.weight', 'scale']);
    expect(Array.from(await checkpoint.read('layer1.0.weight'))).toEqual([1, 2, 3, 4]);
  });

  test.each<[string, Buffer, RegExp]>([
    ['of a class of its own', object({ w }, pickle.global('os', 'system')), /refers to os\.system/],
    [
      'of a class that only begins alike',
      object({ w }, pickle.global('__torch__x', 'Net')),
      /refers to __torch__x\.Net/,
    ],
    ['that calls its class', pickle.call(pickle.global('__torch__', 'Net')), /calls a value that is not a function/],
    [
      'whose object is made with arguments',
      Buffer.concat([pickle.global('__torch__', 'Net'), pickle.tuple(w), Buffer.from([0x81])]),
      /made with arguments/,
    ],
    [
      'that makes an object of a function',
      Buffer.concat([pickle.global('collections', 'OrderedDict'), Buffer.from([0x29, 0x81])]),
      /class that has no place/,
    ],
    [
      'whose state is none',
      Buffer.concat([object({ w }), Buffer.from('Nb')]),
      /state of an object is not a dictionary/,
    ],
    ['whose state is set twice', Buffer.concat([object({ w }), Buffer.from('}b')]), /state of an object twice/],
    [
      'whose object holds itself',
      Buffer.concat([pickle.global('__torch__', 'Net'), Buffer.from(')\x81q\0}X\x01\0\0\0ah\0sb', 'latin1')]),
      /nested deeper than 32/,
    ],
    ['without a tensor', object({ size: pickle.integer(7) }), /holds no tensor/],
  ])('%s is refused', async (_, root, message) => {
    await expect(read(root)).rejects.toThrow(message);
  });

  test('has objects only beside its constants: weights have none', async () => {
    await expect(archive({ root: object({ w }), storage: four }).then(openCheckpoint)).rejects.toThrow(
      /__torch__\.net/,
    );
  });
});

/** As Lightning writes the state of a training beside the weights. */
describe('names of a training program', () => {
  const w = pickle.tensor(floatStorage(4), { shape: [4], strides: [1] });
  const callback = pickle.global('pytorch_lightning.callbacks.model_checkpoint', 'ModelCheckpoint');
  const read = async (root: Buffer) => await openCheckpoint(await archive({ root, storage: four }));
  const dictionary = (...items: Buffer[]) => Buffer.concat([Buffer.from('}('), ...items, Buffer.from('u')]);
  const scalar = () => {
    const dtype = pickle.call(pickle.global('numpy', 'dtype'), pickle.text('f8'), pickle.false, pickle.none);
    const state = pickle.tuple(pickle.integer(3), pickle.text('<'), pickle.none);
    const bytes = pickle.call(pickle.global('_codecs', 'encode'), pickle.text('\0'), pickle.text('latin1'));
    const built = Buffer.concat([dtype, state, Buffer.from('b')]);
    return pickle.call(pickle.global('numpy.core.multiarray', 'scalar'), built, bytes);
  };

  test('are keys and values that say nothing; tensors below them keep their names', async () => {
    const callbacks = dictionary(callback, pickle.dictionary({ best: w, mode: pickle.text('min'), score: scalar() }));
    const root = pickle.dictionary({ state_dict: pickle.dictionary({ w }), callbacks, loop: callback });
    await using checkpoint = await read(root);
    expect([...checkpoint.tensors.keys()]).toEqual([
      'state_dict.w',
      'callbacks.pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint.best',
    ]);
    expect(Array.from(await checkpoint.read('state_dict.w'))).toEqual([1, 2, 3, 4]);
  });

  test.each<[string, Buffer, RegExp]>([
    ['are not called', pickle.dictionary({ w, a: pickle.call(callback) }), /ModelCheckpoint, which has no place/],
    [
      'are not made',
      pickle.dictionary({ w, a: Buffer.concat([callback, Buffer.from([0x29, 0x81])]) }),
      /ModelCheckpoint, which has no place/,
    ],
    ['have no state', pickle.dictionary({ w, a: Buffer.concat([callback, Buffer.from('}b')]) }), /sets the state of/],
    ['are no storages', pickle.dictionary({ w: pickle.storage(callback, '0', 4) }), /declared against the rules/],
    ['are not all there is', callback, /ModelCheckpoint, which has no place/],
    ['are keys once', pickle.dictionary({ w, a: dictionary(callback, w, callback, w) }), /ModelCheckpoint twice/],
  ])('%s', async (_, root, message) => {
    await expect(read(root)).rejects.toThrow(message);
  });

  test('of numpy are no arguments of tensors', async () => {
    const rebuild = pickle.global('torch._utils', '_rebuild_tensor_v2');
    const sizes = [4, 1].map((size) => pickle.tuple(pickle.integer(size)));
    const strange = pickle.call(rebuild, floatStorage(4), scalar(), ...sizes, pickle.false, pickle.none);
    await expect(read(pickle.dictionary({ strange }))).rejects.toThrow(/declared against the rules/);
  });
});

describe('a hostile PyTorch checkpoint is refused', () => {
  const repeated = pickle.tensor(floatStorage(4), { shape: [2 ** 20, 2 ** 20], strides: [0, 0] });
  /** d0 = {}, d1 = {a: d0, b: d0}, …: 2^30 values in 600 bytes. */
  const doubling = Buffer.concat([
    Buffer.from('}q\0'),
    ...Array.from({ length: 30 }, () => Buffer.from('0}(X\x01\0\0\0ah\0X\x01\0\0\0bh\0uq\0')),
  ]);
  test.each<[string, Archive, RegExp]>([
    ['big-endian', { root: one, storage: four, others: { 'a/byteorder': Buffer.from('big') } }, /byte order is "big"/],
    ['a dictionary that holds itself', { root: Buffer.from('}q\0X\x01\0\0\0ah\0s') }, /nested deeper than 32/],
    ['values without end', { root: doubling }, /more than 1000000 values/],
    ['a view that repeats one number 2^40 times', { root: pickle.dictionary({ w: repeated }) }, /repeats its storage/],
    ['instructions without end', { root: Buffer.alloc(2 ** 21 + 1, '}') }, /more than 2097152 instructions/],
    ['a pickle that is too long', { root: Buffer.alloc(2 ** 24) }, /has 16777219 bytes, at most 16777216/],
    [
      'a call with very many arguments',
      {
        root: pickle.call(pickle.global('torch._utils', '_rebuild_parameter'), ...Array<Buffer>(17).fill(pickle.none)),
      },
      /a call has 17 arguments/,
    ],
    [
      'a long text in front of its tensors',
      { root: pickle.dictionary({ ['a'.repeat(1_000)]: one }), storage: four },
      /name of a tensor has 1003 characters/,
    ],
    ['no tensor', { root: pickle.dictionary({}) }, /holds no tensor/],
    [
      'a list of tensors',
      {
        root: Buffer.concat([
          Buffer.from(']'),
          pickle.tensor(floatStorage(4), { shape: [], strides: [] }),
          Buffer.from('a'),
        ]),
      },
      /not a dictionary/,
    ],
    [
      'two tensors of one name',
      {
        root: pickle.dictionary({
          'a.b': pickle.tensor(floatStorage(0), { shape: [0], strides: [1] }),
          a: pickle.dictionary({ b: pickle.tensor(floatStorage(0), { shape: [0], strides: [1] }) }),
        }),
      },
      /two tensors with the name a\.b/,
    ],
    ['a persistent id of its own', { root: Buffer.from('}Q') }, /declared against the rules/],
    [
      'a text that is longer than the file',
      { root: Buffer.from('\x8d\xff\xff\xff\xff\xff\xff\x0f\0', 'latin1') },
      /ends early/,
    ],
    ['an instruction that makes objects', { root: Buffer.from('(i__builtin__\nlist\n') }, /instruction 0x69/],
    [
      'two archives in one',
      { root: one, storage: four, others: { 'b/data.pkl': Buffer.alloc(0) } },
      /2 members data\.pkl/,
    ],
  ])('%s', async (_name, file, message) => {
    await expect(openCheckpoint(await archive(file))).rejects.toMatchObject({
      name: 'AppError',
      message: expect.stringMatching(message),
    });
  });

  test('an integer that no number holds', async () => {
    const storage = pickle.storage(pickle.global('torch', 'LongStorage'), '0', 1);
    const root = pickle.dictionary({ w: pickle.tensor(storage, { shape: [1], strides: [1] }) });
    const bytes = Buffer.from(BigInt64Array.of(2n ** 53n + 1n).buffer);
    await using checkpoint = await openCheckpoint(await archive({ root, storage: bytes }));
    await expect(checkpoint.readValues('w')).rejects.toThrow(/9007199254740993/);
  });
});

describe('a file that is not weights is named', () => {
  test.each([
    ['a pointer of Git LFS', 'version https://git-lfs.github.com/spec/v1\noid sha256:…', /pointer of Git LFS/],
    ['a web page', '<!DOCTYPE html>', /web page/],
    ['something else', 'hello', /begins with the bytes 68656c6c6f/],
  ])('%s', async (_name, content, message) => {
    await expect(openCheckpoint(await write(content))).rejects.toThrow(message);
  });

  test('no file, and a folder', async () => {
    await expect(openCheckpoint(join(directory, 'none'))).rejects.toThrow(/cannot be opened \(ENOENT\)/);
    await expect(openCheckpoint(directory)).rejects.toThrow(/is not a file/);
  });
});

describe('an index of shards', () => {
  const index = (weightMap: unknown) => write(JSON.stringify({ metadata: {}, weight_map: weightMap }));
  beforeAll(async () => {
    await write(safetensorsBytes({ a: { shape: [1], values: [1] } }), 'first.safetensors');
    await write(
      safetensorsBytes({ a: { shape: [1], values: [2] }, b: { shape: [], values: [3] } }),
      'second.safetensors',
    );
  });

  test('joins its files, and names all of them', async () => {
    await write(safetensorsBytes({ b: { shape: [], values: [3] } }), 'third.safetensors');
    const path = await index({ a: 'first.safetensors', b: 'third.safetensors' });
    await using checkpoint = await openCheckpoint(path);
    expect(checkpoint.files).toEqual([
      path,
      join(directory, 'first.safetensors'),
      join(directory, 'third.safetensors'),
    ]);
    expect(Array.from(await checkpoint.read('b'))).toEqual([3]);
    await expect(checkpoint.read('c')).rejects.toThrow(/has no tensor c/);
  });

  test.each<[string, unknown, RegExp]>([
    ['a tensor in two files', { a: 'first.safetensors', b: 'second.safetensors' }, /second.safetensors holds a, which/],
    ['a tensor that is not there', { a: 'first.safetensors', b: 'first.safetensors' }, /does not hold b/],
    ['a file outside the folder', { a: '../first.safetensors' }, /is not a valid index/],
    ['a file that is missing', { a: 'none.safetensors' }, /cannot be opened/],
    ['no table', [], /is not a valid index/],
  ])('with %s is refused', async (_name, weightMap, message) => {
    await expect(openCheckpoint(await index(weightMap))).rejects.toThrow(message);
  });

  test('of itself is refused', async () => {
    const path = await write(JSON.stringify({ weight_map: { a: 'itself.json' } }), 'itself.json');
    await expect(openCheckpoint(path)).rejects.toThrow(/it is text/);
  });
});
