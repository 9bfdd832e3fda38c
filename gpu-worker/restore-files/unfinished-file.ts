import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../../shared/error.ts';
import { asStorageFull, isStorageFull } from '../../shared/storage-room.ts';
import { syncFolder } from '../sync-folder.ts';
import { reasonOf } from './file-errors.ts';
import { identityOf } from './identity.ts';
import type { Leftovers } from './leftovers.ts';
import { checkNotSacred, checkReplaceable, type ResultPlace, statIfThere } from './result-place.ts';

/** A result that is being written, beside its place. */
export interface UnfinishedFile {
  path: string;
  /** Gives it its name, at once and on disk, and adds it to `sacred`. Throws `invalid` if one of those stands there. */
  publish(sacred: Set<string>): Promise<void>;
  /** Where it was not published. */
  remove(): void;
}

/** Less is no room at all; more takes time to try. */
const MIN_BYTES = 64 * 1024;
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Empty, under its final name, so that a name that the file system refuses is known before the work; in a folder beside
 * its place that is hidden from searches for photos, closed to others, and called as in no other run. Throws
 * `forbidden` or `storage-full` where it cannot be made, or not with so many bytes.
 */
export async function openUnfinished(place: ResultPlace, bytes: number, leftovers: Leftovers): Promise<UnfinishedFile> {
  await checkReplaceable(place);
  const folder = dirname(place.path);
  const hidden = join(folder, `.seesr-cloud-${randomBytes(8).toString('hex')}.unfinished`);
  const path = join(hidden, basename(place.path));
  const remove = () => leftovers.remove(hidden);
  leftovers.add(hidden);
  try {
    await mkdir(hidden, { mode: 0o700 });
    await using file = await open(path, 'wx', 0o666);
    await checkRoom(file, Math.min(Math.max(bytes, MIN_BYTES), MAX_BYTES));
  } catch (error) {
    remove();
    if (isStorageFull(asStorageFull(error))) throw noRoom(folder, error);
    throw new AppError('forbidden', `Nothing can be written in ${folder}: ${reasonOf(error)}.`);
  }
  return {
    path,
    remove,
    async publish(sacred) {
      const identity = await finish(path, place.replaces);
      // A place that was free or harmless when the work began may hold a photo by now.
      const standing = await statIfThere(place.path);
      if (standing) checkNotSacred(standing, place.path, sacred);
      await rename(path, place.path);
      sacred.add(identity);
      await syncFolder(folder).catch(() => {}); // some network disks cannot
    },
  };
}

/** By writing: quotas cannot be asked. */
async function checkRoom(file: FileHandle, bytes: number): Promise<void> {
  await file.writeFile(new Uint8Array(bytes));
  await file.sync();
  await file.truncate(0);
}

/**
 * Brings the file to disk. It belongs to whom the old one did, as far as that may be given, and may be read by the same.
 * Returns its identity.
 */
async function finish(path: string, old: BigIntStats | undefined): Promise<string> {
  await using file = await open(path, 'r+');
  const stats = await file.stat({ bigint: true });
  if (old) {
    const isOthers = stats.uid !== old.uid || stats.gid !== old.gid;
    if (isOthers) await file.chown(Number(old.uid), Number(old.gid)).catch(() => {});
    await file.chmod(Number(old.mode) & 0o777).catch(() => {});
  }
  await file.sync();
  return identityOf(stats);
}

export function noRoom(folder: string, cause: unknown): AppError {
  return new AppError('storage-full', `There is no room for the result in ${folder}.`, { cause });
}
