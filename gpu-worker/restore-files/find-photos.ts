import { access, constants, glob, lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, parse, resolve } from 'node:path';
import { AppError } from '../../shared/error.ts';
import { reasonOf } from './file-errors.ts';
import { identityOf, kindOf } from './identity.ts';
import type { Scratch } from './leftovers.ts';
import { storeStandardInput } from './standard-input.ts';
import { endingIn, type FoundFile, isPhotoEnding, type LeftOut, walkFolder } from './walk-folder.ts';

interface FindOptions {
  /** Where the person stands. */
  here: string;
  /** Of the folder for results, if it is there: a folder or a pattern brings no file in it as a photo. */
  outIdentity: string | undefined;
  recursive: boolean;
  scratch: Scratch;
  maxBytes: number;
  signal: AbortSignal;
}

/** In a name that could not be read as UTF-8. */
const NOT_UTF8 = '\ufffd';

/** A photo that shall be restored. */
export interface Photo {
  /** Absolute. */
  path: string;
  /** In the person's words. */
  shown: string;
  /** The base of the result's name: without folder and ending. */
  name: string;
  /** Without the dot, in small letters. */
  ending: string;
  /** Where the result goes below the folder for results; '' for the folder itself. */
  subfolder: string;
  /** See `identityOf`. */
  identity: string;
  bytes: number;
}

/** A name that brings no photo. */
interface Refused {
  shown: string;
  error: AppError;
}

export interface FoundPhotos {
  photos: Photo[];
  refused: Refused[];
  leftOut: LeftOut;
}

/**
 * The photos of the names: files, the photos in folders, the files of a pattern, and "-" for standard input. A file
 * counts once, whichever way leads to its folder. A name that is of no use is in `refused` and hinders no other. Throws
 * only the signal's reason.
 */
export async function findPhotos(names: readonly string[], options: FindOptions): Promise<FoundPhotos> {
  const photos = new Map<string, Photo>();
  const refused: Refused[] = [];
  const leftOut: LeftOut = { hidden: 0, folders: 0, links: 0, kinds: [], results: 0 };
  for (const name of new Set(names)) {
    try {
      for await (const file of filesOf(name, options, leftOut)) {
        options.signal.throwIfAborted();
        try {
          if (file.error) throw file.error;
          const key = join(await realpath(dirname(file.path)), basename(file.path));
          if (!photos.has(key)) photos.set(key, await photoOf(file));
        } catch (error) {
          refused.push({ shown: file.shown, error: await inWords(error, file.path) });
        }
      }
    } catch (error) {
      options.signal.throwIfAborted();
      refused.push({ shown: name || '""', error: await inWords(error, resolve(options.here, name)) });
    }
  }
  return { photos: [...photos.values()], refused, leftOut };
}

async function* filesOf(name: string, options: FindOptions, leftOut: LeftOut): AsyncGenerator<FoundFile> {
  const { here, scratch, maxBytes, signal } = options;
  if (name === '') throw new AppError('invalid', 'It is no name.');
  if (name === '-') {
    const path = scratch('standard-input');
    await storeStandardInput(path, maxBytes, signal);
    yield { path, shown: 'standard input', name: 'stdin', subfolder: '' };
    return;
  }
  const path = resolve(here, name);
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory()) yield* walkFolder(path, { ...options, shown: name, leftOut });
  else if (stats || !isPattern(name) || (await isThere(path))) yield namedFile(path, name);
  else yield* matchesOf(name, options, leftOut);
}

async function* matchesOf(pattern: string, { here, outIdentity }: FindOptions, leftOut: LeftOut) {
  const parts = pattern.split('/');
  const base = resolve(here, parts.slice(0, parts.findIndex(isPattern)).join('/'));
  let matches = 0;
  for await (const match of glob(pattern, { cwd: here })) {
    const path = resolve(here, match);
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isDirectory() || (await isWithin(path, base, outIdentity))) continue;
    matches++;
    if (isPhotoEnding(match)) yield namedFile(path, match);
    else leftOut.kinds.push(endingIn(match));
  }
  if (matches === 0) throw new AppError('not-found', 'No file matches it.');
}

function isPattern(name: string): boolean {
  return /[*?[\]{}]/.test(name);
}

/** Whether the folder lies between the base and the file. */
async function isWithin(path: string, base: string, folderIdentity: string | undefined): Promise<boolean> {
  if (folderIdentity === undefined) return false;
  for (let folder = dirname(path); folder.length > base.length; folder = dirname(folder)) {
    if (identityOf(await stat(folder, { bigint: true })) === folderIdentity) return true;
  }
  return false;
}

function namedFile(path: string, shown: string): FoundFile {
  return { path, shown, name: parse(path).base, subfolder: '' };
}

async function photoOf({ path, shown, name: base, subfolder }: FoundFile): Promise<Photo> {
  const stats = await stat(path, { bigint: true });
  if (!stats.isFile()) {
    const advice = stats.isFIFO() ? '; "-" reads standard input' : '';
    throw new AppError('invalid', `It is ${kindOf(stats)}, not a file${advice}.`);
  }
  await access(path, constants.R_OK);
  const { name, ext } = parse(base);
  const ending = ext.slice(1).toLowerCase();
  // /dev/stdin and the like lead to another file in another process.
  const target = await realpath(path);
  return {
    path: target.includes(NOT_UTF8) ? path : target,
    shown,
    name,
    ending,
    subfolder,
    identity: identityOf(stats),
    bytes: Number(stats.size),
  };
}

async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

async function inWords(error: unknown, path: string): Promise<AppError> {
  if (error instanceof AppError) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    if (await isThere(path)) return new AppError('not-found', 'It is a link that leads nowhere.');
    const advice = path.includes(NOT_UTF8) ? ' A name that is not UTF-8 is only found by that of its folder.' : '';
    return new AppError('not-found', `There is no such file.${advice}`);
  }
  return new AppError('invalid', `It cannot be read: ${reasonOf(error)}.`, { cause: error });
}
