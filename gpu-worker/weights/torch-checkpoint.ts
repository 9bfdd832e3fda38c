import { AppError } from '../../shared/error.ts';
import { type BinaryFile, openBinaryFile } from './binary-file.ts';
import { type Checkpoint, readingOf } from './checkpoint.ts';
import { bytesPerElement, type Numbers, toNumbers } from './dtypes.ts';
import { readTorchLegacy } from './torch-legacy.ts';
import type { StoredTensor } from './torch-pickle.ts';
import { readTorchZip } from './torch-zip.ts';
import { gather, isContiguous, span } from './view.ts';

/** The formats of `torch.save`: since version 1.6 and before. */
const READERS = { 'torch-zip': readTorchZip, 'torch-legacy': readTorchLegacy };
export type TorchFormat = keyof typeof READERS;

/**
 * Opens a file of PyTorch's `torch.save`. Nothing in the file is executed. Opening it reads the pickles, reading a
 * tensor its part of the storage. Throws AppError `engine-failed` for a file that breaks a rule.
 */
export async function openTorchCheckpoint(path: string, format: TorchFormat): Promise<Checkpoint> {
  const file = await openBinaryFile(path);
  try {
    const { tensors, dictionaries, storages } = await READERS[format](file);
    return {
      tensors: new Map([...tensors].map(([name, { shape, dtype }]) => [name, { shape, dtype }])),
      files: [path],
      dictionaries,
      ...readingOf(async (name) => {
        const tensor = tensors.get(name);
        if (!tensor) throw new AppError('engine-failed', `${path} has no tensor ${name}.`);
        return await readTensor(file, storages.get(tensor.storage.key)!, tensor);
      }),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

/** `position`: of the whole storage in the file. */
async function readTensor(file: BinaryFile, position: number, tensor: StoredTensor): Promise<Numbers> {
  const elementBytes = bytesPerElement(tensor.dtype);
  const start = position + tensor.storage.startBytes + tensor.offset * elementBytes;
  const bytes = await file.read(start, span(tensor) * elementBytes);
  const stored = toNumbers(tensor.dtype, bytes.buffer);
  return isContiguous(tensor) ? stored : gather(stored, tensor);
}
