import { readdir, readFile } from 'node:fs/promises';
import { extname, join, parse } from 'node:path';
import { AppError } from '../shared/error.ts';
import { readImageHeader } from '../shared/image-format.ts';
import type { Limits } from '../shared/limits.ts';

const ENDINGS = ['.png', '.jpg', '.jpeg', '.webp', '.avif', '.tif', '.tiff'];

/** A ground truth and the poor photo that was made from it. */
export interface Pair {
  name: string;
  truthPath: string;
  inputPath: string;
}

/**
 * Files of two folders that have one name without its ending, in the order of the names.
 * Throws AppError `invalid` for a folder without pictures, for two of one name, and for one without its other half.
 */
export async function findPairs(truthDirectory: string, inputDirectory: string): Promise<Pair[]> {
  const [truths, inputs] = [await findPictures(truthDirectory), await findPictures(inputDirectory)];
  const alone = [...truths.keys(), ...inputs.keys()].filter((name) => !(truths.has(name) && inputs.has(name)));
  if (alone.length > 0) {
    throw new AppError(
      'invalid',
      `Every picture needs one of the same name in both folders; alone are: ${alone.sort().join(', ')}.`,
    );
  }
  return [...truths].map(([name, truthPath]) => ({ name, truthPath, inputPath: inputs.get(name)! }));
}

/** Throws AppError `invalid` for a truth that is not exactly `scale` times as large as its photo: before the work. */
export async function checkSizes(pairs: readonly Pair[], scale: number, limits: Limits): Promise<void> {
  for (const { name, truthPath, inputPath } of pairs) {
    const truth = readImageHeader(await readFile(truthPath), limits);
    const input = readImageHeader(await readFile(inputPath), limits);
    if (truth.width === input.width * scale && truth.height === input.height * scale) continue;
    throw new AppError(
      'invalid',
      `${name}: the photo has ${input.width}×${input.height} pixels, the ground truth ${truth.width}×${truth.height}; it must be exactly ${scale} times as large.`,
    );
  }
}

/** Paths by name without ending, in its order. Throws AppError as above. */
export async function findPictures(directory: string): Promise<Map<string, string>> {
  const files = await readdir(directory).catch(() => {
    throw new AppError('not-found', `There is no folder ${directory}.`);
  });
  const pictures = new Map<string, string>();
  for (const file of files.filter((file) => ENDINGS.includes(extname(file).toLowerCase())).sort()) {
    const { name } = parse(file);
    if (pictures.has(name)) throw new AppError('invalid', `${directory} has two pictures of the name ${name}.`);
    pictures.set(name, join(directory, file));
  }
  if (pictures.size === 0) throw new AppError('invalid', `${directory} has no pictures (${ENDINGS.join(', ')}).`);
  return pictures;
}
