import { randomUUID } from 'node:crypto';
import { readdir, stat, symlink } from 'node:fs/promises';
import { join, parse, sep } from 'node:path';
import type { InputFormat } from '../../shared/image-format.ts';
import { identityOf, kindOf } from './identity.ts';
import type { Scratch } from './leftovers.ts';

/** Endings of photo files. In a folder the others are left out; a file that is named is read with any ending. */
const ENDINGS: Record<InputFormat, readonly string[]> = {
  jpeg: ['jpg', 'jpeg', 'jpe', 'jfif'],
  png: ['png', 'apng'],
  webp: ['webp'],
  avif: ['avif'],
  gif: ['gif'],
  tiff: ['tif', 'tiff'],
  heic: ['heic', 'heif', 'hif'],
};
const PHOTO_ENDINGS = Object.values(ENDINGS).flat();

export function isEndingOf(format: InputFormat, ending: string): boolean {
  return ENDINGS[format].includes(ending);
}

/** With the dot, in small letters. */
export function endingIn(name: string): string {
  return parse(name).ext.toLowerCase() || 'no ending';
}

export function isPhotoEnding(name: string): boolean {
  return PHOTO_ENDINGS.includes(parse(name).ext.slice(1).toLowerCase());
}

/** Entries that were not looked at, for the summary. */
export interface LeftOut {
  hidden: number;
  /** Within others, without `recursive`. */
  folders: number;
  /** That lead to folders. */
  links: number;
  /** Of everything that is no photo by its name: the ending, or the kind. */
  kinds: string[];
  /** Of an earlier run, among the photos. */
  results: number;
}

/** By a name, before anybody has looked at it. */
export interface FoundFile {
  path: string;
  shown: string;
  /** With the ending. */
  name: string;
  subfolder: string;
  /** Of a folder that cannot be read. */
  error?: unknown;
}

interface WalkOptions {
  shown: string;
  outIdentity: string | undefined;
  recursive: boolean;
  /** For links to files with a name that is not UTF-8. */
  scratch: Scratch;
  /** Is added to. */
  leftOut: LeftOut;
}

const ORDER = new Intl.Collator(undefined, { numeric: true });

/** The photos in a folder by their names, in the order that people count in. Links to folders are not followed. */
export async function* walkFolder(folder: string, options: WalkOptions, subfolder = ''): AsyncGenerator<FoundFile> {
  const { outIdentity, recursive, scratch, leftOut } = options;
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' }).catch((error: unknown) => error);
  if (!Array.isArray(entries)) {
    yield { path: folder, shown: join(options.shown, subfolder), name: '', subfolder, error: entries };
    return;
  }
  const named = entries.map((entry) => ({ entry, bytes: entry.name, name: readName(entry.name) }));
  for (const { entry, bytes, name } of named.sort((a, b) => ORDER.compare(a.name, b.name))) {
    if (name.startsWith('.')) {
      leftOut.hidden++;
      continue;
    }
    const path = Buffer.from(name).equals(bytes) ? join(folder, name) : await linkTo(folder, bytes, scratch);
    const shown = join(options.shown, subfolder, name);
    const target = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry;
    if (target?.isDirectory()) {
      const isOut = identityOf(await stat(path, { bigint: true })) === outIdentity;
      if (isOut) continue;
      if (entry.isSymbolicLink()) leftOut.links++;
      else if (recursive) yield* walkFolder(path, options, join(subfolder, name));
      else leftOut.folders++;
    } else if (!isPhotoEnding(name)) leftOut.kinds.push(endingIn(name));
    else if (target && !target.isFile()) leftOut.kinds.push(kindOf(target));
    else yield { path, shown, name, subfolder };
  }
}

/** Old archives have names in the character set of their time. */
function readName(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** A path of plain characters: other processes and libraries take no others. */
async function linkTo(folder: string, name: Uint8Array, scratch: Scratch): Promise<string> {
  const path = scratch(randomUUID());
  await symlink(Buffer.concat([Buffer.from(folder + sep), name]), path);
  return path;
}
