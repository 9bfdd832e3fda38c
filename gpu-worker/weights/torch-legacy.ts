import type { BinaryFile } from './binary-file.ts';
import { bytesPerElement } from './dtypes.ts';
import { broken, readTorchPickle, type Storage } from './torch-pickle.ts';
import { MAX_PICKLE_BYTES, type TorchContents } from './torch-zip.ts';
import { unpickle } from './unpickle.ts';

/** The instruction that puts 0x1950a86a20f9469cfc6c on the stack: the first pickle of a file holds nothing else. */
const MAGIC = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19';
const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;
const PICKLE = '\x80';
const PROTOCOL_VERSION = 1001;
const COUNT_BYTES = 8;
/** The largest published files have some thousand. */
const MAX_STORAGES = 2 ** 14;

/** `head`: the first 64 bytes of a file, as latin1. */
export function isTorchLegacy(head: string): boolean {
  return head.startsWith(PICKLE) && head.includes(MAGIC);
}

/**
 * The contents of a file of `torch.save` before version 1.6 (torch/serialization.py, `_legacy_save`): five pickles,
 * then for each storage, in the order of the fifth, the number of its elements and the elements. Throws AppError
 * `engine-failed`.
 */
export async function readTorchLegacy(file: BinaryFile): Promise<TorchContents> {
  const { path } = file;
  const bytes = await file.read(0, Math.min(file.bytes, MAX_PICKLE_BYTES));
  const limit = bytes.length < file.bytes && { cut: `at most ${MAX_PICKLE_BYTES} bytes of pickles are read` };
  const plain = { globals: new Map(), persistent: () => refuseStorage(path), path, ...limit };
  const magic = unpickle(bytes, plain);
  if (magic.value !== MAGIC_NUMBER) throw broken(path, 'it does not begin with the number of such files');
  const version = unpickle(bytes, { ...plain, start: magic.end });
  checkVersion(version.value, path);
  const system = unpickle(bytes, { ...plain, start: version.end });
  checkSystem(system.value, path);
  const { storages, end, ...contents } = readTorchPickle(bytes, path, { start: system.end, ...limit });
  const keys = unpickle(bytes, { ...plain, start: end });
  return { ...contents, storages: await findStorages(file, keys.end, listOf(keys.value, storages, path)) };
}

function refuseStorage(path: string): never {
  throw broken(path, 'a storage stands where none belongs');
}

function checkVersion(version: unknown, path: string): void {
  if (version !== PROTOCOL_VERSION) throw broken(path, `its version is ${shown(version)}, not ${PROTOCOL_VERSION}`);
}

function checkSystem(system: unknown, path: string): void {
  if (!(system instanceof Map)) throw broken(path, 'it does not say on what machine it was written');
  checkVersion(system.get('protocol_version'), path);
  if (system.get('little_endian') !== true) throw broken(path, 'its byte order is not little-endian');
}

/** The storages in the order in which they lie in the file: each one that was declared, once. */
function listOf(keys: unknown, storages: ReadonlyMap<string, Storage>, path: string): Storage[] {
  if (!Array.isArray(keys)) throw broken(path, 'it has no list of its storages');
  if (keys.length > MAX_STORAGES) throw broken(path, `it lists ${keys.length} storages, at most ${MAX_STORAGES}`);
  const missing = new Set(storages.keys());
  const list = keys.map((key) => {
    const storage = storages.get(key);
    if (!storage) throw broken(path, `it lists the storage ${shown(key)}, which is not declared`);
    if (!missing.delete(key)) throw broken(path, `it lists the storage ${shown(key)} twice`);
    return storage;
  });
  const [first] = missing;
  if (first !== undefined) throw broken(path, `the storage ${first} is declared and not in the list`);
  return list;
}

async function findStorages(file: BinaryFile, start: number, list: readonly Storage[]): Promise<Map<string, number>> {
  const positions = new Map<string, number>();
  let position = start;
  for (const { key, dtype, wholeBytes } of list) {
    const declared = wholeBytes / (dtype ? bytesPerElement(dtype) : 1);
    const head = await file.read(position, COUNT_BYTES);
    const count = new DataView(head.buffer).getBigUint64(0, true);
    if (count !== BigInt(declared))
      throw broken(file.path, `the storage ${key} has ${count} elements, the pickle declares ${declared}`);
    positions.set(key, position + COUNT_BYTES);
    position += COUNT_BYTES + wholeBytes;
    if (position > file.bytes) throw broken(file.path, `it ends within the storage ${key}, as if it were cut`);
  }
  if (position < file.bytes) throw broken(file.path, `${file.bytes - position} bytes follow its last storage`);
  return positions;
}

/** A value of the file in a message. */
function shown(value: unknown): string {
  return typeof value === 'object' ? 'something else' : String(value).slice(0, 100);
}
