import { AppError } from '../../shared/error.ts';
import { type BinaryFile, openBinaryFile } from './binary-file.ts';
import type { Checkpoint } from './checkpoint.ts';
import { openSafetensors } from './safetensors.ts';
import { openShards } from './shards.ts';
import { openTorchCheckpoint } from './torch-checkpoint.ts';

const HEAD_BYTES = 64;
/** The number with which torch.save began its files before version 1.6, as a pickle. */
const LEGACY_HEAD = '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.';

type Format = 'safetensors' | 'torch' | 'index';

/**
 * Opens a safetensors file, a PyTorch checkpoint or the index of several such files, by what is in it: extensions of
 * published files lie. Throws AppError `engine-failed` that says what the file seems to be.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  await using file = await openBinaryFile(path);
  return (await recognize(file)) === 'index' ? await openShards(file, openSingle) : await openSingle(path);
}

async function openSingle(path: string): Promise<Checkpoint> {
  await using file = await openBinaryFile(path);
  const format = await recognize(file);
  if (format === 'index') throw new AppError('engine-failed', `${path} is not a file of weights: it is text.`);
  return format === 'torch' ? await openTorchCheckpoint(path) : await openSafetensors(path);
}

async function recognize(file: BinaryFile): Promise<Format> {
  const head = await file.read(0, Math.min(file.bytes, HEAD_BYTES));
  const text = Buffer.from(head).toString('latin1');
  if (text.startsWith('PK')) return 'torch';
  // A safetensors file may begin with a brace (its length), an index may have one in ninth place.
  if (text[8] === '{' && new DataView(head.buffer).getBigUint64(0, true) < file.bytes) return 'safetensors';
  if (text.startsWith('{')) return 'index';
  if (text[8] === '{') return 'safetensors';
  throw new AppError('engine-failed', `${file.path} is not a file of weights: ${describe(text)}.`);
}

function describe(head: string): string {
  if (head === '') return 'it is empty';
  if (head.startsWith(LEGACY_HEAD)) {
    return 'it has the format of PyTorch before version 1.6; load it there and save it again';
  }
  if (head.startsWith('version https://git-lfs')) {
    return 'it is a pointer of Git LFS; fetch the file itself (git lfs pull)';
  }
  if (/^\s*</.test(head)) return 'it is a web page; the download went wrong';
  const bytes = Buffer.from(head.slice(0, 16), 'latin1').toString('hex');
  return `it begins with the bytes ${bytes}, neither safetensors nor a zip of PyTorch nor an index`;
}
