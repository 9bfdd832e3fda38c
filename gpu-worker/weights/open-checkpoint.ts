import { AppError } from '../../shared/error.ts';
import { type BinaryFile, openBinaryFile } from './binary-file.ts';
import type { Checkpoint } from './checkpoint.ts';
import { openSafetensors } from './safetensors.ts';
import { openShards } from './shards.ts';
import { openTorchCheckpoint, type TorchFormat } from './torch-checkpoint.ts';
import { isTorchLegacy } from './torch-legacy.ts';

const HEAD_BYTES = 64;

type Format = 'safetensors' | 'index' | TorchFormat;

/**
 * Opens a safetensors file, a PyTorch checkpoint or the index of several such files, by its contents: extensions of
 * published files lie. Throws AppError `engine-failed` that names the apparent format of the file.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  await using file = await openBinaryFile(path);
  return (await recognize(file)) === 'index' ? await openShards(file, openSingle) : await openSingle(path);
}

async function openSingle(path: string): Promise<Checkpoint> {
  await using file = await openBinaryFile(path);
  const format = await recognize(file);
  if (format === 'index') throw new AppError('engine-failed', `${path} is not a file of weights: it is text.`);
  return format === 'safetensors' ? await openSafetensors(path) : await openTorchCheckpoint(path, format);
}

async function recognize(file: BinaryFile): Promise<Format> {
  const head = await file.read(0, Math.min(file.bytes, HEAD_BYTES));
  const text = Buffer.from(head).toString('latin1');
  if (text.startsWith('PK')) return 'torch-zip';
  if (isTorchLegacy(text)) return 'torch-legacy';
  // A safetensors file may begin with a brace (its length), an index may have one in ninth place.
  if (text[8] === '{' && new DataView(head.buffer).getBigUint64(0, true) < file.bytes) return 'safetensors';
  if (text.startsWith('{')) return 'index';
  if (text[8] === '{') return 'safetensors';
  throw new AppError('engine-failed', `${file.path} is not a file of weights: ${describe(text)}.`);
}

function describe(head: string): string {
  if (head === '') return 'it is empty';
  if (head.startsWith('version https://git-lfs')) {
    return 'it is a pointer of Git LFS; fetch the file itself (git lfs pull)';
  }
  if (/^\s*</.test(head)) return 'it is a web page; the download went wrong';
  const bytes = Buffer.from(head.slice(0, 16), 'latin1').toString('hex');
  return `it begins with the bytes ${bytes}, neither safetensors nor a file of PyTorch nor an index`;
}
