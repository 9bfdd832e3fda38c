import { crc32 } from 'node:zlib';
import { elementCount, type Tensor } from '../gpu-worker/tensor/tensor.ts';

/**
 * The bytes of a file of PyTorch's `torch.save`, as it has been since version 1.6: a zip, nothing compressed, of one pickle, which is a
 * dictionary of fp32 tensors by name, and a storage for each. `folder`: that of the members, in PyTorch the name of the file.
 */
export function torchFile(folder: string, tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const storages = [...tensors.values()].map(({ data }, index): Member => {
    return { name: `${folder}/data/${index}`, content: Buffer.from(data.buffer, data.byteOffset, data.byteLength) };
  });
  return zip([
    { name: `${folder}/data.pkl`, content: pickle(tensors) },
    { name: `${folder}/byteorder`, content: Buffer.from('little') },
    ...storages,
    { name: `${folder}/version`, content: Buffer.from('3\n') },
  ]);
}

interface Member {
  name: string;
  content: Uint8Array;
}

const STATE = Buffer.from('ccollections\nOrderedDict\n)R');

/** In protocol 2: opcodes of Python's pickletools. */
function pickle(tensors: ReadonlyMap<string, Tensor>): Buffer {
  const entries = [...tensors].flatMap(([name, { shape }], index) => [
    text(name),
    Buffer.from('ctorch._utils\n_rebuild_tensor_v2\n(('),
    text('storage'),
    Buffer.from('ctorch\nFloatStorage\n'),
    text(`${index}`),
    text('cpu'),
    integer(elementCount(shape)),
    Buffer.from('tQ'),
    integer(0),
    tuple(shape),
    tuple(shape.map((_, axis) => elementCount(shape.slice(axis + 1)))),
    Buffer.from([0x89]), // no gradient
    STATE,
    Buffer.from('tR'),
  ]);
  return Buffer.concat([Buffer.from([0x80, 2]), Buffer.from('}('), ...entries, Buffer.from('u.')]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from('X'), uint32(bytes.length), bytes]);
}

function integer(value: number): Buffer {
  return Buffer.concat([Buffer.from('J'), uint32(value)]);
}

function tuple(values: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from('('), ...values.map(integer), Buffer.from('t')]);
}

/** Stored members and their directory (APPNOTE.TXT 6.3.10, section 4.3). */
function zip(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const { name, content } of members) {
    const bytes = Buffer.from(name);
    // Version 0, no flags, stored, the first day of zip's calendar.
    const common = [uint16(0), uint16(0), uint16(0), uint16(0x21), uint32(crc32(content)), uint32(content.length)];
    const sizes = [uint32(content.length), uint16(bytes.length), uint16(0)];
    const local = Buffer.concat([uint32(0x04034b50), uint16(0), ...common, ...sizes, bytes]);
    const rest = [uint16(0), uint16(0), uint16(0), uint32(0), uint32(position)];
    directory.push(Buffer.concat([uint32(0x02014b50), uint16(0), uint16(0), ...common, ...sizes, ...rest, bytes]));
    parts.push(local, Buffer.from(content));
    position += local.length + content.length;
  }
  const table = Buffer.concat(directory);
  const count = uint16(members.length);
  const end = [
    uint32(0x06054b50),
    uint16(0),
    uint16(0),
    count,
    count,
    uint32(table.length),
    uint32(position),
    uint16(0),
  ];
  return Buffer.concat([...parts, table, ...end]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
