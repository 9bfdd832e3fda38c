import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../shared/error.ts';
import type { Log } from '../../shared/log.ts';
import { isShipped } from '../../shared/methods/registry.ts';
import type { ObjectStore } from '../../shared/ports.ts';
import { sha256Of } from '../weights/sha256.ts';
import { findInstalled, MANIFEST_FILE, type ModelManifest, readModelManifest } from './installed.ts';
import { tryLock } from './lock.ts';

interface FetchOptions {
  models: readonly string[];
  /** Of the models directory of a machine that built them, key by path. */
  objects: ObjectStore;
  modelsDirectory: string;
  log: Log;
  signal: AbortSignal;
}

type ModelFile = ModelManifest['files'][number];

/** One connection is far slower than the network of an instance. */
const PART_BYTES = 16 << 20;
const PARTS_AT_A_TIME = 8;
const LOCK_PAUSE_MILLISECONDS = 1_000;

/**
 * Makes the models directory hold the models of the object store, whole and with the checksums of their manifests;
 * files that are there already are kept, and models that ship with the program are not asked for. A fetch that was
 * killed goes on where it was. Throws AppError: `model-unavailable`, and `engine-failed` for a model that differs from
 * its manifest.
 */
export async function fetchModels({ models, ...options }: FetchOptions): Promise<void> {
  await mkdir(options.modelsDirectory, { recursive: true });
  for (const model of models) {
    if (isShipped(model)) continue;
    const unlock = await lock(join(options.modelsDirectory, `.${model}.lock`), options.signal);
    try {
      await fetchModel(model, options);
    } finally {
      unlock();
    }
  }
}

/** Of two workers on one machine one fetches. */
async function lock(path: string, signal: AbortSignal): Promise<() => void> {
  for (;;) {
    const unlock = tryLock(path);
    if (unlock) return unlock;
    await sleep(LOCK_PAUSE_MILLISECONDS, undefined, { signal });
  }
}

async function fetchModel(model: string, options: Omit<FetchOptions, 'models'>): Promise<void> {
  const { objects, modelsDirectory, log, signal } = options;
  const wanted = await objects.get(`${model}/${MANIFEST_FILE}`);
  if (!wanted) throw new AppError('model-unavailable', `The store of the models has no ${model}/${MANIFEST_FILE}.`);
  const text = await new Response(wanted.body).text();
  const target = join(modelsDirectory, model);
  if ((await manifestText(target)) === text && (await isWhole(modelsDirectory, model))) {
    log.info('model.cached', { model });
    return;
  }
  const started = performance.now();
  const growing = join(modelsDirectory, `.${model}.fetching`);
  if ((await manifestText(growing)) !== text) {
    await rm(growing, { recursive: true, force: true });
    await mkdir(growing);
    await writeFile(join(growing, MANIFEST_FILE), text);
  }
  const manifest = await readModelManifest(growing);
  if (manifest?.model !== model) throw new AppError('engine-failed', `${model}/${MANIFEST_FILE} is none of ${model}.`);
  for (const file of manifest.files) {
    const path = join(growing, file.file);
    if (await isIntact(path, file)) continue;
    await fetchFile(objects, `${model}/${file.file}`, path, file, signal);
    if (!(await isIntact(path, file))) {
      throw new AppError('engine-failed', `${model}/${file.file} does not have the sha256 ${file.sha256}.`);
    }
  }
  await rm(target, { recursive: true, force: true });
  await rename(growing, target);
  const bytes = manifest.files.reduce((total, file) => total + file.bytes, 0);
  log.info('model.fetched', { model, bytes, seconds: (performance.now() - started) / 1000 });
}

async function manifestText(directory: string): Promise<string | undefined> {
  return readFile(join(directory, MANIFEST_FILE), 'utf8').catch(() => undefined);
}

async function isWhole(modelsDirectory: string, model: string): Promise<boolean> {
  return findInstalled(modelsDirectory, model).then(Boolean, () => false);
}

async function isIntact(path: string, { sha256 }: ModelFile): Promise<boolean> {
  return (await sha256Of(path).catch(() => undefined)) === sha256;
}

async function fetchFile(objects: ObjectStore, key: string, path: string, { bytes }: ModelFile, signal: AbortSignal) {
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(path, 'w');
  let next = 0;
  async function fetchParts(): Promise<void> {
    while (next < bytes) {
      signal.throwIfAborted();
      const first = next;
      next += PART_BYTES;
      const part = await objects.get(key, { first, last: Math.min(next, bytes) - 1 });
      if (!part) throw new AppError('model-unavailable', `The store of the models has no ${key}.`);
      let position = first;
      for await (const chunk of part.body) {
        await handle.write(chunk, 0, chunk.length, position);
        position += chunk.length;
      }
    }
  }
  const fetching = Array.from({ length: PARTS_AT_A_TIME }, fetchParts);
  try {
    await Promise.all(fetching);
  } finally {
    await Promise.allSettled(fetching);
    await handle.close();
  }
}
