import { copyFile, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadSuperResolver } from '../../../../gpu-worker/methods/real-esrgan/engine.ts';
import { checkShapes } from '../../../../gpu-worker/weights/checkpoint.ts';
import { openSafetensors } from '../../../../gpu-worker/weights/safetensors.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seesr-weights-'));
});
afterAll(() => rm(directory, { recursive: true }));

interface File {
  header?: unknown;
  /** Default: the true one. */
  headerBytes?: bigint;
  data?: Uint8Array;
}

async function write({ header = {}, headerBytes, data = new Uint8Array() }: File): Promise<string> {
  const path = join(directory, `${crypto.randomUUID()}.safetensors`);
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerBytes ?? BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, data]));
  return path;
}

const tensor = (dtype: string, shape: number[], start: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

describe('a sound safetensors file', () => {
  test('gives its tensors as fp32, stored in any precision', async () => {
    const data = new Uint8Array([
      ...new Uint8Array(Float32Array.of(1.5, -2).buffer),
      ...new Uint8Array(Uint16Array.of(0x3c00).buffer),
      ...new Uint8Array(Uint16Array.of(0x3f80).buffer),
    ]);
    const header = {
      __metadata__: { note: 'ignored' },
      single: tensor('F32', [2, 1], 0, 8),
      half: tensor('F16', [1], 8, 10),
      brain: tensor('BF16', [], 10, 12),
    };
    await using file = await openSafetensors(await write({ header, data }));
    expect([...file.tensors]).toEqual([
      ['single', { shape: [2, 1], dtype: 'F32' }],
      ['half', { shape: [1], dtype: 'F16' }],
      ['brain', { shape: [], dtype: 'BF16' }],
    ]);
    expect(file.files).toHaveLength(1);
    expect(Array.from(await file.read('single'))).toEqual([1.5, -2]);
    expect(Array.from(await file.read('half'))).toEqual([1]);
    expect(Array.from(await file.read('brain'))).toEqual([1]);
    await expect(file.read('none')).rejects.toThrow(/has no tensor none/);
  });
});

describe('a broken or hostile file is refused', () => {
  const four = new Uint8Array(4);
  test.each<[string, File, RegExp]>([
    ['a header longer than the file', { headerBytes: 2n ** 40n }, /header claims 1099511627776 bytes/],
    ['a header of 2^64 − 1 bytes', { headerBytes: 2n ** 64n - 1n }, /header claims 18446744073709551615 bytes/],
    ['a header that is not JSON', { header: '{"a":' }, /not JSON/],
    ['a header that is a list', { header: [] }, /not a JSON object/],
    [
      'an unknown type',
      { header: { a: tensor('F8_E4M3', [1], 0, 1) }, data: new Uint8Array(1) },
      /entry of a is not valid.*the type F8_E4M3 is not supported/,
    ],
    ['a name that stands twice', { header: '{"a":1,"\\u0061":2}' }, /the name a stands twice/],
    ['endless nesting', { header: `{"a":${'['.repeat(1_000_000)}` }, /nested deeper than 16 levels/],
    ['a negative size', { header: { a: tensor('F32', [-1], 0, 4) }, data: four }, /entry of a is not valid/],
    ['a size beyond the file', { header: { a: tensor('F32', [2 ** 40], 0, 2 ** 42) }, data: four }, /4398046511104/],
    [
      'sizes whose product overflows',
      { header: { a: tensor('F32', [2 ** 40, 2 ** 40], 0, 4) }, data: four },
      /needs 4.8e\+24|needs \d/,
    ],
    [
      'a shape that needs other bytes',
      { header: { a: tensor('F32', [2], 0, 4) }, data: four },
      /has 4 bytes, F32 \[2\] needs 8/,
    ],
    [
      'an overlap',
      { header: { a: tensor('F32', [1], 0, 4), b: tensor('F32', [1], 0, 4) }, data: four },
      /b starts at 0/,
    ],
    ['a gap', { header: { a: tensor('F32', [1], 4, 8) }, data: new Uint8Array(8) }, /a starts at 4/],
    ['bytes after the last tensor', { header: {}, data: four }, /need 0 bytes, it holds 4/],
  ])('%s', async (_name, file, message) => {
    await expect(openSafetensors(await write(file))).rejects.toThrow(message);
  });

  test('a file without even a length', async () => {
    const path = join(directory, 'tiny');
    await writeFile(path, 'abc');
    await expect(openSafetensors(path)).rejects.toThrow(/it has 3 bytes/);
  });
});

test('a checkpoint that does not fit the network is refused with every difference', () => {
  const expected = new Map([
    ['a', [1, 2]],
    ['b', [3]],
    ['c', [4]],
  ]);
  const found = new Map([
    ['a', { shape: [1, 2] }],
    ['b', { shape: [5] }],
    ['d', { shape: [6] }],
  ]);
  expect(() => checkShapes(expected, found, 'file')).toThrow(/missing c \[4\].*|b is \[5\] and should be \[3\]/s);
  expect(() => checkShapes(expected, found, 'file')).toThrow(/unexpected d \[6\]/);
  const fitting = new Map([...found].map(([name, { shape }]) => [name, shape]));
  expect(() => checkShapes(fitting, found, 'file')).not.toThrow();
});

describe('the shipped weights', () => {
  const shipped = fileURLToPath(new URL('../../../../gpu-worker/shipped/real-esrgan-fast', import.meta.url));
  const files = ['manifest.json', 'realesr-general-x4v3.safetensors', 'realesr-general-wdn-x4v3.safetensors'];

  test('one altered byte is noticed before anything is computed', async () => {
    const copy = await mkdtemp(join(directory, 'copy-'));
    await Promise.all(files.map((file) => copyFile(join(shipped, file), join(copy, file))));
    const load = () => loadSuperResolver({ model: 'real-esrgan-fast', device: 'cpu', directory: copy });
    await (await load()).release();
    const file = await open(join(copy, files[1]!), 'r+');
    await file.write(Uint8Array.of(0xff), 0, 1, 1_000_000);
    await file.close();
    await expect(load()).rejects.toThrow(/sha256|checksum/i);
  });
});
