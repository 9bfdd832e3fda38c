import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../shared/error.ts';
import { readImageHeader } from '../../shared/image-format.ts';
import type { Job } from '../../shared/job.ts';
import type { Limits } from '../../shared/limits.ts';
import type { Log } from '../../shared/log.ts';
import type { ObjectStore } from '../../shared/ports.ts';
import { isUnavailable } from '../../shared/store-error.ts';

/** The files of the store that an attempt needs before it begins. */

/** Throws `gone`. */
export async function download(objects: ObjectStore, key: string, path: string): Promise<void> {
  const object = await objects.get(key);
  if (!object) throw new AppError('gone', 'The input was deleted before the job could run.');
  await pipeline(Readable.fromWeb(object.body), createWriteStream(path));
}

/** Where an earlier attempt got, if it is known. */
export async function fetchSavepoint(
  { checkpoint }: Job,
  path: string,
  { objects, log }: { objects: ObjectStore; log: Log },
): Promise<string | undefined> {
  if (!checkpoint) return undefined;
  try {
    const object = await objects.get(checkpoint.key);
    if (!object) throw new AppError('gone', `The savepoint ${checkpoint.key} is not there.`);
    await pipeline(Readable.fromWeb(object.body), createWriteStream(path));
    return path;
  } catch (error) {
    if (isUnavailable(error)) throw error;
    log.warn('attempt.starts-anew', { error });
    return undefined;
  }
}

/**
 * The price was agreed on for the size that the API has read. S3 takes a signed form as often as it is sent, so that
 * other bytes may be there by now.
 */
export async function checkPhoto({ input }: Job, path: string, limits: Limits): Promise<void> {
  const { width, height } = readImageHeader(await readFile(path), limits);
  if (width === input?.width && height === input.height) return;
  const was = `${input?.width}×${input?.height}`;
  throw new AppError('conflict', `The photo was ${was} when the job was accepted, and is ${width}×${height} now.`);
}
