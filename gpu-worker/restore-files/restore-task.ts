import { createReadStream } from 'node:fs';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Progress } from '../../shared/job.ts';
import type { Limits } from '../../shared/limits.ts';
import { methodOf } from '../../shared/methods/registry.ts';
import { isStorageFull } from '../../shared/storage-room.ts';
import type { EngineResult } from '../child.ts';
import type { Engine } from '../engine.ts';
import { STANDARD_OUTPUT } from './destination.ts';
import { openKeptSteps } from './kept-steps.ts';
import type { Leftovers, Scratch } from './leftovers.ts';
import type { Task } from './plan.ts';
import { makeFolder } from './result-folder.ts';
import { findPlace, type ResultPlace, statIfThere } from './result-place.ts';
import { checkBytes } from './standard-input.ts';
import { noRoom, openUnfinished } from './unfinished-file.ts';

export interface TaskOptions {
  engine: Engine;
  limits: Limits;
  published: boolean;
  /** Leave out photos with a result. */
  skipExisting: boolean;
  /** Photos and results of this run, as `identityOf` names them; the result is added. */
  sacred: Set<string>;
  leftovers: Leftovers;
  scratch: Scratch;
  signal: AbortSignal;
  onProgress: (progress: Progress) => void;
}

/**
 * Restores a photo, or nothing where its result is there already: then undefined. All checks that are possible come
 * before the work. Throws AppError, and the signal's reason; a file at the place of the result then stays.
 */
export async function restoreTask(task: Task, options: TaskOptions): Promise<EngineResult | undefined> {
  const { photo, outputPath, parameters } = task;
  const { engine, limits, published, sacred, leftovers, scratch, signal, onProgress } = options;
  const toStream = outputPath === STANDARD_OUTPUT;
  if (options.skipExisting && !toStream && (await isWhole(outputPath))) return undefined;
  const place = toStream ? { path: scratch('standard-output') } : await placeOf(task, sacred);
  checkBytes(photo.bytes, limits.max_upload_bytes);
  const unfinished = await openUnfinished(place, photo.bytes, leftovers);
  const steps = methodOf(parameters).isResumable && !toStream ? await openKeptSteps(place.path) : undefined;
  let succeeded = false;
  try {
    const request = {
      inputPath: photo.path,
      outputPath: unfinished.path,
      parameters,
      limits,
      published,
      ...steps?.request,
    };
    const onSavepoint = steps?.onSavepoint ?? (() => {});
    const result = await engine.restore(request, { signal, onProgress, onSavepoint }).catch((error: unknown) => {
      throw isStorageFull(error) ? noRoom(dirname(place.path), error) : error;
    });
    if (toStream) await pipeline(createReadStream(unfinished.path), process.stdout, { end: false, signal });
    else await unfinished.publish(sacred);
    succeeded = true;
    return result;
  } finally {
    unfinished.remove();
    await steps?.close(succeeded);
  }
}

/** Results appear whole, but some programs make an empty file first. */
async function isWhole(path: string): Promise<boolean> {
  const stats = await statIfThere(path);
  return stats?.isFile() === true && stats.size > 0n;
}

async function placeOf({ photo, outputPath }: Task, sacred: ReadonlySet<string>): Promise<ResultPlace> {
  if (photo.subfolder !== '') await makeFolder(dirname(outputPath), true);
  return await findPlace(outputPath, sacred);
}
