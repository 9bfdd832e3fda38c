import { pick } from './mutations-metadata.ts';

type Entry = [name: string, value: unknown];

/** A safetensors file in its parts, which need not fit each other. */
interface Parts {
  entries: Entry[];
  /** Instead of the entries. */
  header?: Buffer;
  /** Default: the true one. */
  headerBytes?: bigint;
  data: Buffer;
}

interface Fields {
  dtype: unknown;
  shape: number[];
  data_offsets: number[];
}

const FLOATS = Float32Array.of(1, -2, 0.5, 3, -Infinity, 7);
/** Of the types that weights have, infinities and a NaN among their numbers. */
const TENSORS = [
  { name: 'a.weight', dtype: 'F32', shape: [2, 3], data: FLOATS.buffer, values: [...FLOATS] },
  {
    name: 'a.bias',
    dtype: 'F16',
    shape: [4],
    data: Uint16Array.of(0x3c00, 0xfc00, 0x7e01, 0x8000).buffer,
    values: [1, -Infinity, NaN, -0],
  },
  { name: 'b', dtype: 'I64', shape: [], data: BigInt64Array.of(-5n).buffer, values: [-5] },
  { name: 'none', dtype: 'F32', shape: [0, 9], data: new ArrayBuffer(0), values: [] },
  { name: 'c', dtype: 'BF16', shape: [1, 2], data: Uint16Array.of(0x3f80, 0xc000).buffer, values: [1, -2] },
];

export const SAFETENSORS_VALUES: ReadonlyMap<string, readonly number[]> = new Map(
  TENSORS.map(({ name, values }) => [name, values]),
);

export function soundParts(): Parts {
  let end = 0;
  const entries = TENSORS.map(({ name, dtype, shape, data }): Entry => {
    const start = end;
    end += data.byteLength;
    return [name, { dtype, shape: [...shape], data_offsets: [start, end] }];
  });
  return { entries, data: Buffer.concat(TENSORS.map(({ data }) => Buffer.from(data))) };
}

export function soundSafetensors(): Buffer {
  return bytesOf(soundParts());
}

export function headerOf(entries: Entry[]): Buffer {
  // Not JSON.stringify of an object: a name may stand twice.
  return Buffer.from(`{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)}}`);
}

export function bytesOf({
  entries,
  data,
  header = headerOf(entries),
  headerBytes = BigInt(header.length),
}: Parts): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerBytes);
  return Buffer.concat([length, header, data]);
}

/** The fields of one tensor changed. */
export function withFields(random: () => number, change: (fields: Fields) => void): Buffer {
  const parts = soundParts();
  change(pick(parts.entries, random)[1] as Fields);
  return bytesOf(parts);
}

/** The text of the header changed. */
export function withHeader(change: (text: string) => string): Buffer {
  const { entries, data } = soundParts();
  return bytesOf({ entries, data, header: Buffer.from(change(headerOf(entries).toString())) });
}
