import { randomUUID } from 'node:crypto';
import { open, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { mayTakeAnother } from '../shared/places.ts';
import { createRemoval } from '../shared/removal.ts';
import { asStorageFull, type StorageRoom, storageFull } from '../shared/storage-room.ts';

interface Options {
  /** Existing ones, perhaps of several file systems. Files on their way come to the first. */
  directories: readonly [string, ...string[]];
  /** The reserve of each file system; 0: none. Default: room for a result, but of a small disk no more than a share. */
  minFreeBytes?: number | undefined;
  /** Default: the answer of the file system. */
  readDisk?: (directory: string) => Promise<Disk>;
}

/** In bytes. */
interface Disk {
  free: number;
  total: number;
}

/** The result that is being made, twice: in the worker's scratch folder, and as an object. */
const RESERVE_BYTES = 512 * 1024 * 1024;
const RESERVE_SHARE = 1 / 10;

const CHUNK_BYTES = 1024 * 1024;
/** Whether there may be any file. */
const SMALL_BYTES = 1;

/** Names of files that a kill may leave behind; their owner removes them at its start. */
export const PROBE = '.probe-';

export function createStorageRoom({ directories, minFreeBytes, readDisk = askSystem }: Options): StorageRoom {
  const held = new Map<string, number>();

  async function ask(directory: string): Promise<{ free: number; reserve: number }> {
    const { free, total } = await readDisk(directory);
    return { free, reserve: minFreeBytes ?? Math.min(RESERVE_BYTES, Math.floor(total * RESERVE_SHARE)) };
  }

  async function check(bytes = 0): Promise<void> {
    for (const directory of minFreeBytes === 0 ? [] : directories) {
      const { free, reserve } = await ask(directory);
      if (free - bytes >= reserve) continue;
      const rule = `The storage of the service keeps ${reserve} bytes in reserve`;
      throw storageFull(`${rule}, and has not so many left${directories.length > 1 ? ' on each of its disks' : ''}.`);
    }
  }

  /** The written part counts twice until it is there: rather refused too early than too late. */
  async function hold(holder: string, bytes: number): Promise<() => void> {
    const disk = minFreeBytes === 0 ? { free: Number.POSITIVE_INFINITY, reserve: 0 } : await ask(directories[0]);
    const free = disk.free - disk.reserve - held.values().reduce((sum, count) => sum + count, 0);
    const own = held.get(holder) ?? 0;
    if (bytes > free || (own > 0 && !mayTakeAnother(own, free))) {
      const rule = `The storage of the service keeps ${disk.reserve} bytes in reserve`;
      throw storageFull(`${rule}, and has no room for ${bytes} more beside the files on their way.`);
    }
    held.set(holder, own + bytes);
    return () => {
      const rest = held.get(holder)! - bytes;
      if (rest > 0) held.set(holder, rest);
      else held.delete(holder);
    };
  }

  return {
    async freeBytes() {
      const disks = await Promise.all(directories.map(readDisk));
      return Math.min(...disks.map(({ free }) => free));
    },
    check,
    hold,
    async probe(bytes) {
      await check(bytes);
      const disks = new Set<number>();
      for (const directory of directories) {
        const { dev } = await stat(directory);
        await fill(join(directory, PROBE + randomUUID()), disks.has(dev) ? SMALL_BYTES : Math.max(SMALL_BYTES, bytes));
        disks.add(dev);
      }
    },
  };
}

async function askSystem(directory: string): Promise<Disk> {
  const { bavail, blocks, bsize } = await statfs(directory);
  return { free: bavail * bsize, total: blocks * bsize };
}

const remove = createRemoval(rm);

/** For a moment. */
async function fill(path: string, bytes: number): Promise<void> {
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      for (let left = bytes; left > 0; left -= CHUNK_BYTES) {
        await handle.writeFile(new Uint8Array(Math.min(left, CHUNK_BYTES)));
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw asStorageFull(error);
  } finally {
    await remove(path);
  }
}
