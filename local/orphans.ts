import { opendir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { isTerminal } from '../shared/job.ts';
import type { ObjectStore, StateStore } from '../shared/ports.ts';
import { RESULT_FIELDS } from './named-files.ts';

interface Options {
  state: StateStore;
  objects: ObjectStore;
  /** Of the files of `objects`. */
  objectsDirectory: string;
}

/**
 * Erases the objects that nothing refers to: of a worker that was killed between its result and the end of the job, or
 * sent for an upload that had been deleted. Safe beside a running service: every object is stored after its upload
 * or job, and is read here before it. Returns how many.
 */
export async function eraseOrphans({ state, objects, objectsDirectory }: Options): Promise<number> {
  let count = 0;
  for await (const key of keysIn(objectsDirectory)) {
    if (!(await isOrphan(state, key))) continue;
    await objects.delete(key);
    count++;
  }
  return count;
}

async function isOrphan(state: StateStore, key: string): Promise<boolean> {
  const [kind, , id = ''] = key.split('/');
  if (kind === 'in') return (await state.getUpload(id)) === null;
  if (kind !== 'out') return false;
  const job = await state.getJob(id);
  if (!job) return true;
  return isTerminal(job) && RESULT_FIELDS.every((field) => key !== job[field]?.key);
}

async function* keysIn(directory: string): AsyncGenerator<string> {
  for (const kind of ['in', 'out']) {
    const folder = await opendir(join(directory, kind), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error; // nothing has been stored yet
    });
    if (!folder) continue;
    for await (const entry of folder) {
      if (entry.isFile()) yield relative(directory, join(entry.parentPath, entry.name)).replaceAll(sep, '/');
    }
  }
}
