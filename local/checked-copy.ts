import { createHash } from 'node:crypto';
import { chownSync, createReadStream, createWriteStream, statSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../shared/error.ts';

/** Inside a backup: which files it has, as `sha256sum -c` reads it. A backup that is not whole has none. */
export const SUMS = 'SHA256SUMS';

/** sha256 in hex. */
export async function sumOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/**
 * Copies a file into a new one for its user only, with the folders above it. It is on disk and was read again when this
 * returns its sha256. Throws `unavailable`: it does not read as it was written.
 */
export async function copyChecked(from: string, to: string): Promise<string> {
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  const hash = createHash('sha256');
  await pipeline(
    createReadStream(from),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(to, { flags: 'wx', mode: 0o600, flush: true }),
  );
  const sum = hash.digest('hex');
  if ((await sumOf(to)) === sum) return sum;
  throw new AppError('unavailable', `${to} does not read as it was written: look at its disk.`);
}

/** The names in these folders last, too. */
export async function syncFolders(folders: Iterable<string>): Promise<void> {
  if (process.platform === 'win32') return; // has no such call; NTFS journals its folders
  for (const folder of folders) {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  }
}

/** Files that root makes in the folder of another user would be out of that user's reach. */
export function giveTo(ownerOf: string, folder: string, names: readonly string[] = ['']): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(ownerOf);
  for (const name of names) chownSync(join(folder, name), uid, gid);
}
