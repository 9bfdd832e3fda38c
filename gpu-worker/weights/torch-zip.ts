import type { BinaryFile } from './binary-file.ts';
import { broken, readTorchPickle, type TorchPickle } from './torch-pickle.ts';
import { openZip, type ZipArchive } from './zip.ts';

/** The largest published files have some thousand tensors in half a megabyte. */
export const MAX_PICKLE_BYTES = 2 ** 24;

/** All that the state of a program is made of. */
const PROGRAM_CLASSES = '__torch__.';

/** The contents of a file of `torch.save`. */
export interface TorchContents extends Pick<TorchPickle, 'tensors' | 'dictionaries'> {
  /** Where the storages of the tensors begin in the file, in bytes; by key. */
  storages: ReadonlyMap<string, number>;
}

/**
 * The contents of a file of `torch.save` since version 1.6: a zip of one pickle and raw storages. Of a program (TorchScript) it is
 * the state, under the names of its `state_dict`; the code beside it is not even looked at. Throws AppError `engine-failed`.
 */
export async function readTorchZip(file: BinaryFile): Promise<TorchContents> {
  const zip = await openZip(file);
  const folder = archiveFolder(zip, file.path);
  await checkByteOrder(file, zip, folder);
  const isProgram = zip.names.includes(`${folder}/constants.pkl`);
  const bytes = await readMember(file, zip, `${folder}/data.pkl`);
  const { tensors, dictionaries } = readTorchPickle(bytes, file.path, isProgram ? { records: PROGRAM_CLASSES } : {});
  const storages = new Map<string, number>();
  for (const [name, { storage }] of tensors) {
    if (storages.has(storage.key)) continue;
    const { position, bytes } = await zip.locate(`${folder}/data/${storage.key}`);
    if (bytes < storage.wholeBytes) {
      throw broken(file.path, `the storage of ${name} has ${bytes} bytes, the pickle declares ${storage.wholeBytes}`);
    }
    storages.set(storage.key, position);
  }
  return { tensors, dictionaries, storages };
}

function archiveFolder(zip: ZipArchive, path: string): string {
  const folders = zip.names.flatMap((name) => name.match(/^([^/]+)\/data\.pkl$/)?.[1] ?? []);
  const [folder] = folders;
  if (folder === undefined || folders.length > 1)
    throw broken(path, `it has ${folders.length} members data.pkl instead of one`);
  return folder;
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
