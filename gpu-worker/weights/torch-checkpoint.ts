import { AppError } from '../../shared/error.ts';
import { type BinaryFile, openBinaryFile } from './binary-file.ts';
import { type Checkpoint, readingOf } from './checkpoint.ts';
import { bytesPerElement, type Numbers, toNumbers } from './dtypes.ts';
import { readTorchPickle, type StoredTensor } from './torch-pickle.ts';
import { gather, isContiguous, span } from './view.ts';
import { openZip, type ZipArchive } from './zip.ts';

/** The largest published files have some thousand tensors in half a megabyte. */
const MAX_PICKLE_BYTES = 2 ** 24;

/**
 * Opens what PyTorch's `torch.save` writes since version 1.6: a zip of one pickle and raw storages. Nothing in the file
 * is executed. Opening it reads the pickle, reading a tensor its part of the storage. Throws AppError `engine-failed`
 * for a file that breaks a rule.
 */
export async function openTorchCheckpoint(path: string): Promise<Checkpoint> {
  const file = await openBinaryFile(path);
  try {
    const zip = await openZip(file);
    const folder = archiveFolder(zip, path);
    await checkByteOrder(file, zip, folder);
    const tensors = readTorchPickle(await readMember(file, zip, `${folder}/data.pkl`), path);
    await checkStorages(zip, folder, tensors, path);
    return {
      tensors: new Map([...tensors].map(([name, { shape, dtype }]) => [name, { shape, dtype }])),
      files: [path],
      ...readingOf(async (name) => {
        const tensor = tensors.get(name);
        if (!tensor) throw new AppError('engine-failed', `${path} has no tensor ${name}.`);
        return await readTensor(file, zip, folder, tensor);
      }),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

function archiveFolder(zip: ZipArchive, path: string): string {
  const folders = zip.names.flatMap((name) => name.match(/^([^/]+)\/data\.pkl$/)?.[1] ?? []);
  if (folders.length !== 1) throw broken(path, `it has ${folders.length} members data.pkl instead of one`);
  return folders[0]!;
}

async function checkByteOrder(file: BinaryFile, zip: ZipArchive, folder: string): Promise<void> {
  const name = `${folder}/byteorder`;
  if (!zip.names.includes(name)) return;
  const order = new TextDecoder().decode(await readMember(file, zip, name));
  if (order.trim() !== 'little') throw broken(file.path, `its byte order is ${JSON.stringify(order.slice(0, 20))}`);
}

async function readMember(file: BinaryFile, zip: ZipArchive, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const { position, bytes } = await zip.locate(name);
  if (bytes > MAX_PICKLE_BYTES)
    throw broken(file.path, `its member ${name.slice(-200)} has ${bytes} bytes, at most ${MAX_PICKLE_BYTES}`);
  return await file.read(position, bytes);
}

async function checkStorages(
  zip: ZipArchive,
  folder: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  path: string,
): Promise<void> {
  const found = new Map<string, number>();
  for (const [name, { storage }] of tensors) {
    const bytes = found.get(storage.key) ?? (await zip.locate(`${folder}/data/${storage.key}`)).bytes;
    found.set(storage.key, bytes);
    if (bytes < storage.bytes) {
      throw broken(path, `the storage of ${name} has ${bytes} bytes, the pickle declares ${storage.bytes}`);
    }
  }
}

async function readTensor(file: BinaryFile, zip: ZipArchive, folder: string, tensor: StoredTensor): Promise<Numbers> {
  const { position } = await zip.locate(`${folder}/data/${tensor.storage.key}`);
  const elementBytes = bytesPerElement(tensor.dtype);
  const bytes = await file.read(position + tensor.offset * elementBytes, span(tensor) * elementBytes);
  const stored = toNumbers(tensor.dtype, bytes.buffer);
  return isContiguous(tensor) ? stored : gather(stored, tensor);
}

function broken(path: string, reason: string): AppError {
  return new AppError('engine-failed', `${path} is not a valid PyTorch checkpoint: ${reason}.`);
}
