import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../shared/error.ts';
import { syncFolder } from '../sync-folder.ts';
import { readModelManifest } from './installed.ts';
import { tryLock } from './lock.ts';

/**
 * Takes an installed model away, at once: the rest of it looks like none where this is killed. Throws AppError:
 * `model-unavailable` where there is none, `conflict` for a folder of another origin, and while it is being built.
 */
export async function removeModel(modelsDirectory: string, model: string): Promise<void> {
  const target = join(modelsDirectory, model);
  if (!(await stat(target).catch(() => undefined))) {
    throw new AppError('model-unavailable', `${model} is not in ${modelsDirectory}.`);
  }
  const unlock = tryLock(join(modelsDirectory, `.${model}.lock`));
  if (!unlock) throw new AppError('conflict', `Another process is building ${model} in ${modelsDirectory}.`);
  try {
    if (!(await readModelManifest(target))) {
      throw new AppError('conflict', `${target} was not built by this program: take it away yourself.`);
    }
    const removed = join(modelsDirectory, `.${model}.removed`);
    await rm(removed, { recursive: true, force: true });
    await rename(target, removed);
    await syncFolder(modelsDirectory);
    await rm(removed, { recursive: true });
  } finally {
    unlock();
  }
}
