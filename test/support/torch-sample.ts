import { pick } from './mutations-metadata.ts';
import { below } from './mutations-weights.ts';
import { type Member, zipOf } from './mutations-zip.ts';
import { type LegacyFile, legacyBytes } from './torch-legacy-sample.ts';
import { pickle } from './weight-files.ts';

/** A Buffer stands for instructions instead of a number. */
export type Size = number | Buffer;

/** How a pickle declares one tensor. */
interface Declaration {
  storage: [type: string, key: string, elements: Size];
  offset: Size;
  shape: Size[];
  strides: Size[];
}

export const STORAGES: Record<string, { buffer: ArrayBuffer; length: number }> = {
  '0': Float32Array.of(1, -2, 0.5, NaN, -Infinity, 7),
  '1': Uint16Array.of(0x3c00, 0xfc00, 0x8000),
  '2': BigInt64Array.of(-5n, 2n ** 53n - 1n),
};

export function declarations(): Record<string, Declaration> {
  return {
    weight: { storage: ['FloatStorage', '0', 6], offset: 0, shape: [2, 3], strides: [3, 1] },
    turned: { storage: ['FloatStorage', '0', 6], offset: 1, shape: [2, 2], strides: [1, 3] },
    halves: { storage: ['HalfStorage', '1', 3], offset: 1, shape: [2], strides: [1] },
    steps: { storage: ['LongStorage', '2', 2], offset: 0, shape: [2, 1], strides: [1, 1] },
    scalar: { storage: ['FloatStorage', '0', 6], offset: 5, shape: [], strides: [] },
    none: { storage: ['FloatStorage', '0', 6], offset: 6, shape: [0, 4], strides: [4, 1] },
  };
}

export const TORCH_VALUES: ReadonlyMap<string, readonly number[]> = new Map([
  ['model.weight', [1, -2, 0.5, NaN, -Infinity, 7]],
  ['model.turned', [-2, -Infinity, 0.5, 7]],
  ['model.halves', [-Infinity, -0]],
  ['model.steps', [-5, 2 ** 53 - 1]],
  ['model.scalar', [7]],
  ['model.none', []],
]);

function size(value: Size): Buffer {
  if (typeof value !== 'number') return value;
  return Number.isSafeInteger(value) ? pickle.integer(value) : float(value);
}

export function float(value: number): Buffer {
  const bytes = Buffer.alloc(9, 'G');
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

export function tensor({ storage: [type, key, elements], offset, shape, strides }: Declaration): Buffer {
  const kind = pickle.global('torch', type);
  const id = pickle.tuple(pickle.text('storage'), kind, pickle.text(key), pickle.text('cpu'), size(elements));
  const sizes = [shape, strides].map((list) => pickle.tuple(...list.map(size)));
  const hooks = pickle.call(pickle.global('collections', 'OrderedDict'));
  const storage = Buffer.concat([id, Buffer.from('Q')]);
  const rebuild = pickle.global('torch._utils', '_rebuild_tensor_v2');
  return pickle.call(rebuild, storage, size(offset), ...sizes, pickle.false, hooks);
}

function pickleOf(tensors: Record<string, Declaration>, others: Record<string, Buffer> = {}): Buffer {
  // The second tensor is a parameter, as in a module that was saved whole.
  const rebuilt = Object.entries(tensors).map(([name, declaration], index) => {
    const value = tensor(declaration);
    const parameter = pickle.global('torch._utils', '_rebuild_parameter');
    return [name, index === 1 ? pickle.call(parameter, value, pickle.false, pickle.none) : value];
  });
  const model = pickle.dictionary(Object.fromEntries(rebuilt));
  return pickle.file(pickle.dictionary({ epoch: pickle.integer(3), model, ...others }));
}

export function soundMembers(data: Buffer = pickleOf(declarations())): Member[] {
  const storages = Object.entries(STORAGES).map(([key, { buffer }]) => {
    return { name: `a/data/${key}`, content: Buffer.from(buffer) };
  });
  return [{ name: 'a/data.pkl', content: data }, ...storages];
}

/** The pickle in a zip, as since version 1.6. */
export function archiveOf(data?: Buffer): Buffer {
  return zipOf(soundMembers(data)).bytes;
}

export function soundLegacy(data: Buffer = pickleOf(declarations())): LegacyFile {
  const storages = Object.entries(STORAGES).map(([key, { buffer, length }]) => {
    return { key, content: Buffer.from(buffer), elements: length };
  });
  return { data, storages: storages.reverse() };
}

/** The pickle among others in front of the storages, as before version 1.6. */
export function legacyOf(data?: Buffer): Buffer {
  return legacyBytes(soundLegacy(data));
}

/** A pickle in which one tensor that has elements is declared otherwise. */
export function withDeclaration(random: () => number, change: (declaration: Declaration) => void): Buffer {
  const all = declarations();
  change(all[pick(['weight', 'turned', 'halves', 'steps'], random)]!);
  return pickleOf(all);
}

/** A pickle with a value beside the tensors. */
export function withValue(value: Buffer, name = 'other'): Buffer {
  return pickleOf(declarations(), { [name]: value });
}

/** A pickle whose instructions, each with its argument, are changed. */
export function withInstructions(change: (instructions: Buffer[]) => void): Buffer {
  const data = pickleOf(declarations());
  const instructions: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const end = at + 1 + argumentBytes(data, at);
    instructions.push(Buffer.from(data.subarray(at, end)));
    at = end;
  }
  change(instructions);
  return Buffer.concat(instructions);
}

/** Of the instructions that the pickle has. */
function argumentBytes(data: Buffer, at: number): number {
  const code = String.fromCharCode(data[at]!);
  if (code === 'X') return 4 + data.readUInt32LE(at + 1);
  if (code === '\x8a') return 1 + data[at + 1]!;
  if (code === 'c') return data.indexOf('\n', data.indexOf('\n', at) + 1) - at;
  return code === '\x80' ? 1 : 0;
}

/** With more instructions, anywhere before the last. */
export function inserted(what: Buffer, random: () => number): Buffer {
  return withInstructions((all) => {
    all.splice(1 + below(all.length - 1, random), 0, what);
  });
}
