import { Buffer } from 'node:buffer';

interface Numbers {
  shape: readonly number[];
  values: ArrayLike<number>;
}

/** The bytes of a safetensors file of fp32 tensors. */
export function safetensorsBytes(tensors: Record<string, Numbers>): Buffer {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { shape, values }]) => {
    const start = end;
    end += values.length * 4;
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const data = Object.values(tensors).map(({ values }) => Buffer.from(Float32Array.from(values).buffer));
  return Buffer.concat([length, header, ...data]);
}

/** The bytes of a zip file whose members are not compressed. */
export function zipBytes(members: Record<string, Buffer>): Buffer {
  const locals: Buffer[] = [];
  const entries: Buffer[] = [];
  let position = 0;
  for (const [name, content] of Object.entries(members)) {
    const local = localHeader(name, content.length);
    entries.push(directoryEntry(name, content.length, position));
    locals.push(local, content);
    position += local.length + content.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(position, 16);
  return Buffer.concat([...locals, directory, end]);
}

export function localHeader(name: string, bytes: number): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt32LE(bytes, 18);
  header.writeUInt32LE(bytes, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, Buffer.from(name)]);
}

export function directoryEntry(name: string, bytes: number, position: number, extra: Buffer = Buffer.alloc(0)): Buffer {
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt32LE(bytes, 20);
  entry.writeUInt32LE(bytes, 24);
  entry.writeUInt16LE(name.length, 28);
  entry.writeUInt16LE(extra.length, 30);
  entry.writeUInt32LE(position, 42);
  return Buffer.concat([entry, Buffer.from(name), extra]);
}

/** Opcodes of a pickle (protocol 2) that puts one value on the stack. */
export const pickle = {
  file: (value: Buffer) => Buffer.concat([Buffer.from([0x80, 2]), value, Buffer.from('.')]),
  text(text: string): Buffer {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(Buffer.byteLength(text));
    return Buffer.concat([Buffer.from('X'), length, Buffer.from(text)]);
  },
  integer(value: number): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    return Buffer.concat([Buffer.from([0x8a, 8]), bytes]);
  },
  tuple: (...items: Buffer[]) => Buffer.concat([Buffer.from('('), ...items, Buffer.from('t')]),
  dictionary: (entries: Record<string, Buffer>) =>
    Buffer.concat([
      Buffer.from('}('),
      ...Object.entries(entries).flatMap(([key, value]) => [pickle.text(key), value]),
      Buffer.from('u'),
    ]),
  global: (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`),
  call: (callable: Buffer, ...items: Buffer[]) => Buffer.concat([callable, pickle.tuple(...items), Buffer.from('R')]),
  false: Buffer.from([0x89]),
  none: Buffer.from('N'),
  storage: (type: Buffer, key: string, elements: number) =>
    Buffer.concat([
      pickle.tuple(pickle.text('storage'), type, pickle.text(key), pickle.text('cpu'), pickle.integer(elements)),
      Buffer.from('Q'),
    ]),
  tensor(storage: Buffer, { offset = 0, shape, strides }: { offset?: number; shape: number[]; strides: number[] }) {
    const rebuild = pickle.global('torch._utils', '_rebuild_tensor_v2');
    const sizes = [shape, strides].map((list) => pickle.tuple(...list.map(pickle.integer)));
    return pickle.call(rebuild, storage, pickle.integer(offset), ...sizes, pickle.false, pickle.none);
  },
};
