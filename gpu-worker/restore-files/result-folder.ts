import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../../shared/error.ts';
import { reasonOf } from './file-errors.ts';
import type { Leftovers } from './leftovers.ts';
import { openUnfinished } from './unfinished-file.ts';

/**
 * Makes the folder for results if its parent is there, and tries whether files can be written in it: before the work.
 * Throws `not-found`, `invalid`, `forbidden` or `storage-full`.
 */
export async function openResultFolder(path: string, leftovers: Leftovers): Promise<void> {
  const parent = await stat(dirname(path)).catch(() => undefined);
  if (!parent?.isDirectory()) throw new AppError('not-found', `There is no folder ${dirname(path)}.`);
  const stats = await stat(path).catch(() => undefined);
  if (!stats?.isDirectory()) await makeFolder(path, false);
  const trial = await openUnfinished({ path: join(path, 'trial') }, 0, leftovers);
  trial.remove();
}

/** `recursive`: with those above it, where it is not there. Throws `invalid`. */
export async function makeFolder(path: string, recursive: boolean): Promise<void> {
  try {
    await mkdir(path, { recursive });
  } catch (error) {
    throw new AppError('invalid', `The folder ${path} cannot be made: ${reasonOf(error)}.`, { cause: error });
  }
}
