import { randomUUID } from 'node:crypto';
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { asStorageFull, type StorageRoom, storageFull } from '../shared/storage-room.ts';

interface Options {
  /** An existing one of the file system that is meant. */
  directory: string;
  /** The reserve; 0: none. */
  minFreeBytes: number;
}

const CHUNK_BYTES = 1024 * 1024;

export function createStorageRoom({ directory, minFreeBytes }: Options): StorageRoom {
  async function freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  }

  async function check(bytes = 0): Promise<void> {
    if (minFreeBytes === 0 || (await freeBytes()) - bytes >= minFreeBytes) return;
    throw storageFull(`The storage of the service keeps ${minFreeBytes} bytes in reserve, and has not so many left.`);
  }

  return {
    freeBytes,
    check,
    async probe(bytes) {
      await check(bytes);
      const path = join(directory, `probe-${randomUUID()}`);
      try {
        await fill(path, bytes);
      } catch (error) {
        throw asStorageFull(error);
      } finally {
        await rm(path, { force: true });
      }
    },
  };
}

async function fill(path: string, bytes: number): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
      await handle.writeFile(new Uint8Array(Math.min(left, CHUNK_BYTES)));
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
