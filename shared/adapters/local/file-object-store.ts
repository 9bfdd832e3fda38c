import { randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { AppError } from '../../error.ts';
import { checkObjectKey } from '../../object-key.ts';
import type { ObjectStore } from '../../ports.ts';
import { FORM_PATH, type SignedForm, signForm, verifySignedForm } from './signed-form.ts';
import { type RequestHead, type SignedRequest, signUrl, verifySignedRequest } from './signed-url.ts';

interface Options {
  /** Created when missing. */
  directory: string;
  /** Signs the URLs: whoever knows it may read and create every object. */
  secret: string;
  /** Milliseconds since 1970. */
  now: () => number;
}

export interface FileObjectStore extends ObjectStore {
  /** For the server behind the signed URLs. Throws `signature-invalid` and `length-required`. */
  verifySignedRequest(request: RequestHead): SignedRequest;
  /** The same for the fields of a form. Throws `signature-invalid`. */
  verifySignedForm(fields: Record<string, string>): SignedForm;
}

/** Where objects are while they are written. No key begins with a dot. */
const UNFINISHED = '.unfinished';
const MAX_TYPE_BYTES = 255;
/** More often than this, nobody removes the folder that an object is about to enter. */
const MAX_LINK_ATTEMPTS = 10;

/**
 * One file for each object, `<directory>/<key>`: its bytes, then its content type, then the length of the type in one
 * byte. So it has its type or is not there at all, and image viewers, which ignore what follows an image, open it.
 * Needs a file system with hard links. A key cannot also be the folder of another.
 */
export function createFileObjectStore({ directory, secret, now }: Options): FileObjectStore {
  const root = resolve(directory);
  const pathOf = (key: string) => {
    checkObjectKey(key);
    return join(root, key);
  };
  return {
    async put(key, body, { contentType }) {
      const target = pathOf(key);
      const unfinished = join(root, UNFINISHED, randomUUID());
      await mkdir(dirname(unfinished), { recursive: true, mode: 0o700 });
      try {
        const bytes = await writeFile(unfinished, body, contentType);
        await publish(unfinished, target, key);
        // Every folder up to the root: one that another call made just now may not be on disk yet.
        for (let path = dirname(target); path.length >= root.length; path = dirname(path)) await syncFolder(path);
        return { bytes };
      } finally {
        await rm(unfinished, { force: true });
      }
    },

    async get(key, range) {
      const file = await openObject(pathOf(key));
      if (!file) return null;
      const { handle, contentType } = file;
      const start = Math.min(range?.first ?? 0, file.bytes);
      const end = Math.min(range?.last ?? Number.POSITIVE_INFINITY, file.bytes - 1);
      const bytes = Math.max(0, end - start + 1);
      if (bytes === 0) {
        await handle.close();
        return { body: new Blob([]).stream(), bytes, contentType };
      }
      return { body: Readable.toWeb(handle.createReadStream({ start, end })), bytes, contentType };
    },

    async head(key) {
      const file = await openObject(pathOf(key));
      if (!file) return null;
      await file.handle.close();
      return { bytes: file.bytes, contentType: file.contentType };
    },

    async delete(key) {
      const path = pathOf(key);
      try {
        await rm(path);
      } catch (error) {
        if (isMissing(error)) return;
        throw error;
      }
      await syncFolder(dirname(path));
      await removeEmptyFolders(dirname(path), root);
    },

    async signUpload({ key, contentType, bytes, expiresAt }) {
      checkObjectKey(key);
      const url = signUrl({ method: 'PUT', key, contentType, bytes }, expiresAt, secret);
      // Content-Length is checked too, but every client sets it by itself and browsers allow nothing else.
      return { method: 'PUT', url, headers: { 'Content-Type': contentType } };
    },

    async signForm({ key, contentType, bytes, expiresAt }) {
      checkObjectKey(key);
      return { method: 'POST', url: FORM_PATH, fields: signForm({ key, contentType, bytes }, expiresAt, secret) };
    },

    async signDownload({ key, filename, expiresAt }) {
      checkObjectKey(key);
      return signUrl({ method: 'GET', key, filename }, expiresAt, secret);
    },

    verifySignedForm: (fields) => verifySignedForm(fields, secret, now()),
    verifySignedRequest: (request) => verifySignedRequest(request, secret, now()),
  };
}

/** For the owner of the directory, before it works: whatever is unfinished belongs to a process that died. */
export async function removeUnfinishedObjects(directory: string): Promise<void> {
  await rm(join(directory, UNFINISHED), { recursive: true, force: true });
}

/** Returns the bytes of the body. On disk when it returns. */
async function writeFile(path: string, body: ReadableStream<Uint8Array>, contentType: string): Promise<number> {
  const type = Buffer.from(contentType);
  if (type.length > MAX_TYPE_BYTES) {
    throw new AppError('invalid', `The content type has ${type.length} bytes; at most ${MAX_TYPE_BYTES} are kept.`);
  }
  const handle = await open(path, 'wx', 0o600);
  try {
    let bytes = 0;
    for await (const chunk of body) {
      await handle.writeFile(chunk);
      bytes += chunk.length;
    }
    await handle.writeFile(Buffer.concat([type, Buffer.from([type.length])]));
    await handle.sync();
    return bytes;
  } finally {
    await handle.close();
  }
}

/** Gives the finished file its name, which must be free. */
async function publish(finished: string, target: string, key: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      return await link(finished, target);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') throw new AppError('already-exists', `There is an object ${key} already.`);
      // Meanwhile, deleting the last other object of the folder has removed it.
      if (code !== 'ENOENT' || attempt === MAX_LINK_ATTEMPTS) throw error;
    }
  }
}

async function openObject(path: string): Promise<{ handle: FileHandle; bytes: number; contentType: string } | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  const stats = await handle.stat();
  if (!stats.isFile()) {
    await handle.close();
    return null;
  }
  const tail = Buffer.alloc(Math.min(stats.size, MAX_TYPE_BYTES + 1));
  await handle.read(tail, 0, tail.length, stats.size - tail.length);
  const typeBytes = tail.at(-1) ?? 0;
  const contentType = tail.subarray(-1 - typeBytes, -1).toString();
  return { handle, bytes: stats.size - typeBytes - 1, contentType };
}

async function removeEmptyFolders(folder: string, root: string): Promise<void> {
  try {
    for (let path = folder; path !== root; path = dirname(path)) await rmdir(path);
  } catch {
    // Not empty, or another removed it: either way nothing is left to do.
  }
}

/** Makes names that were added or removed last. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // has no such call; NTFS journals its folders
  const handle = await open(path, 'r').catch((error: unknown) => {
    if (!isMissing(error)) throw error; // gone: it has no names left to keep
  });
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}

/** Also where a part of the path is a file. */
function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
