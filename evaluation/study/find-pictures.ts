import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AppError } from '../../shared/error.ts';
import { readImageHeader } from '../../shared/image-format.ts';
import { findPictures } from '../pairs.ts';
import type { StudyPicture } from './plan.ts';

/** Keys 1 to 9 choose. */
const MAX_MODELS = 9;

/** A name and a folder, as `--restored NAME=DIR` gives them. */
export interface RestoredFolder {
  name: string;
  directory: string;
}

export interface PictureFiles extends StudyPicture {
  photoPath: string;
  truthPath: string | undefined;
  /** In the order of the models. */
  restoredPaths: string[];
}

/** Throws AppError `invalid` for none, too many, two of one name, or text that is not NAME=DIR. */
export function parseRestored(given: readonly string[]): RestoredFolder[] {
  const folders = given.map((text) => {
    const [, name, directory] = /^([^=|]+)=(.+)$/.exec(text) ?? [];
    if (name === undefined || directory === undefined) {
      throw new AppError('invalid', `--restored ${text}: it is NAME=DIR, and no | is in the name.`);
    }
    return { name, directory };
  });
  const names = new Set(folders.map(({ name }) => name));
  if (names.size === folders.length && names.size >= 1 && names.size <= MAX_MODELS) return folders;
  throw new AppError('invalid', `--restored: there are 1 to ${MAX_MODELS} of them, each with its own name.`);
}

/**
 * The pictures of a study, by their names without ending. Every photo has one in each restored folder; it need not have
 * a truth. Throws AppError `invalid` where one is missing or alone, or where truth and restored ones differ in size:
 * the size would tell them apart.
 */
export async function findStudyPictures(
  photoDirectory: string,
  truthDirectory: string | undefined,
  restored: readonly RestoredFolder[],
): Promise<PictureFiles[]> {
  const photos = await findPictures(photoDirectory);
  const truths = truthDirectory === undefined ? new Map<string, string>() : await findPictures(truthDirectory);
  const folders = [];
  for (const { directory } of restored) folders.push({ directory, pictures: await findPictures(directory) });
  refuse(truthDirectory, without(truths, photos), 'have no photo');
  for (const { directory, pictures } of folders) {
    refuse(directory, without(pictures, photos), 'have no photo');
    refuse(directory, without(photos, pictures), 'are missing');
  }
  const found: PictureFiles[] = [];
  for (const [name, photoPath] of photos) {
    const truthPath = truths.get(name);
    const restoredPaths = folders.map(({ pictures }) => pictures.get(name)!);
    found.push({ ...(await examine(name, photoPath, truthPath, restoredPaths)), photoPath, truthPath, restoredPaths });
  }
  return found;
}

async function examine(
  name: string,
  photoPath: string,
  truthPath: string | undefined,
  restoredPaths: readonly string[],
): Promise<StudyPicture> {
  const hash = createHash('sha256').update(await readFile(photoPath));
  const sizes = new Set<string>();
  let size = { width: 0, height: 0 };
  for (const path of [...(truthPath ? [truthPath] : []), ...restoredPaths]) {
    const bytes = await readFile(path);
    hash.update(bytes);
    size = readImageHeader(bytes);
    sizes.add(`${size.width}×${size.height}`);
  }
  if (sizes.size > 1) {
    throw new AppError(
      'invalid',
      `${name}: the pictures to choose from must have one size, not ${[...sizes].join(', ')}.`,
    );
  }
  const { width, height } = size;
  return { name, width, height, hasTruth: truthPath !== undefined, fingerprint: hash.digest('hex') };
}

function without(names: ReadonlyMap<string, string>, others: ReadonlyMap<string, string>): string[] {
  return [...names.keys()].filter((name) => !others.has(name));
}

function refuse(directory: string | undefined, names: readonly string[], what: string): void {
  if (names.length > 0)
    throw new AppError('invalid', `${directory}: beside those of --lr ${what}: ${names.join(', ')}.`);
}
