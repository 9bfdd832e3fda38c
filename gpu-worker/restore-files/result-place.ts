import type { BigIntStats } from 'node:fs';
import { open, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../../shared/error.ts';
import { reasonOf } from './file-errors.ts';
import { identityOf, kindOf } from './identity.ts';

/** Where a result goes: a regular file or none yet, in a folder that is there. */
export interface ResultPlace {
  /** Without links: a result takes the place of the file that a link leads to, and the link stays. */
  path: string;
  /** The file that the result will replace. */
  replaces?: BigIntStats;
}

/**
 * Throws `invalid` where something other than a file stands, or one of `sacred` (see `identityOf`); `not-found` for a
 * folder that is not there.
 */
export async function findPlace(path: string, sacred: ReadonlySet<string>): Promise<ResultPlace> {
  const replaces = await statIfThere(path);
  if (replaces) {
    if (!replaces.isFile()) throw new AppError('invalid', `OUT is ${kindOf(replaces)}: ${path}.${adviceFor(replaces)}`);
    checkNotSacred(replaces, path, sacred);
    return { path: await realpath(path), replaces };
  }
  const target = await readlink(path).catch(() => undefined);
  // Perhaps its disk is not there at the moment.
  if (target !== undefined) throw new AppError('invalid', `OUT is a link that leads nowhere: ${path} -> ${target}.`);
  const folder = await statIfThere(dirname(path));
  if (!folder?.isDirectory()) throw new AppError('not-found', `There is no folder ${dirname(path)}.`);
  return { path: join(await realpath(dirname(path)), basename(path)) };
}

/** Throws `invalid` for one of the photos, or a result of this run, under any name. */
export function checkNotSacred(file: BigIntStats, path: string, sacred: ReadonlySet<string>): void {
  if (!sacred.has(identityOf(file))) return;
  throw new AppError('invalid', `OUT is the same file as a photo or another result of this run: ${path}.`);
}

/** Checks that a rename would not make. Throws `forbidden` where the file that is to be replaced is protected. */
export async function checkReplaceable({ path, replaces }: ResultPlace): Promise<void> {
  if (!replaces) return;
  const refuse = (reason: string) => new AppError('forbidden', `OUT may not be replaced: ${path} ${reason}.`);
  if ((Number(replaces.mode) & 0o222) === 0) throw refuse('is read-only');
  // Finds obstacles beside permissions: a file system that is read-only, a file that is immutable.
  const opened = await open(path, 'r+').catch((error: unknown) => {
    throw refuse(`cannot be written: ${reasonOf(error)}`);
  });
  await opened.close();
  if (await isMountPoint(path)) throw refuse('is a mount point of its own');
  const folder = await stat(dirname(path), { bigint: true });
  const user = BigInt(process.getuid?.() ?? 0);
  const isSticky = (Number(folder.mode) & 0o1000) !== 0;
  if (isSticky && ![0n, replaces.uid, folder.uid].some((id) => id === user)) throw refuse('belongs to somebody else');
}

/** No name can be given to another file where one is mounted, as containers do with single files. */
async function isMountPoint(path: string): Promise<boolean> {
  const mounts = await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''); // only Linux has it
  const escaped = path.replace(/[\s\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return mounts.split('\n').some((line) => line.split(' ')[4] === escaped);
}

function adviceFor(stats: BigIntStats): string {
  if (stats.isDirectory()) return ' Results go into a folder with --out FOLDER.';
  return stats.isFIFO() ? ' "-" writes to standard output.' : '';
}

/** Undefined where there is nothing; throws `invalid` for a path that cannot be. */
export async function statIfThere(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new AppError('invalid', `OUT cannot be reached: ${reasonOf(error)}: ${path}.`, { cause: error });
  }
}
