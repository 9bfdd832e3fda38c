import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, link, mkdir, open, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { AppError } from '../../error.ts';
import { checkObjectKey } from '../../object-key.ts';
import type { ObjectStore } from '../../ports.ts';
import { createRemoval } from '../../removal.ts';
import { createPartialUploads } from './partial-uploads.ts';
import { FORM_PATH, type SignedForm, signForm, verifySignedForm } from './signed-form.ts';
import {
  type RequestHead,
  type SignedRequest,
  type SignedUpload,
  signUrl,
  uploadHeaders,
  verifySignedRequest,
} from './signed-url.ts';

interface Options {
  /** Created when missing. */
  directory: string;
  /** Signs the URLs: its holder may read and create every object. */
  secret: string;
  /** Milliseconds since 1970. */
  now: () => number;
}

export interface FileObjectStore extends ObjectStore {
  /** For the server behind the signed URLs: the object as it is now. Null: no such object. */
  open(key: string): Promise<OpenFile | null>;
  /** For that server, too. Throws `signature-invalid`, `length-required` and `malformed`. */
  verifySignedRequest(request: RequestHead): SignedRequest;
  /** The same for the fields of a form. Throws `signature-invalid` and `malformed`. */
  verifySignedForm(fields: Record<string, string>): SignedForm;
  /**
   * As `put`, but the beginning of a body that breaks off is kept, and another one may go on at `offset`. Throws
   * `already-exists`, and `conflict` when so many bytes are not there.
   */
  receive(upload: SignedUpload, body: ReadableStream<Uint8Array>, offset: number): Promise<void>;
  /** How many bytes of the upload have come. A body that is still being received ends there. */
  received(upload: SignedUpload): Promise<number>;
}

/** Is to be read or closed, once. */
export interface OpenFile {
  bytes: number;
  contentType: string;
  /** Strong: files are written once, and another one under the same key has another time. */
  etag: string;
  /** Milliseconds since 1970. */
  modifiedAt: number;
  /** From the first byte to the last, inclusive, which must be there. */
  read(range: { first: number; last: number }): ReadableStream<Uint8Array>;
  close(): Promise<void>;
}

/** Where objects are while they are written. No key begins with a dot. */
export const UNFINISHED = '.unfinished';
const MAX_TYPE_BYTES = 255;
/** More often than this, nobody removes the folder that an object is about to enter. */
const MAX_LINK_ATTEMPTS = 10;

/**
 * One file for each object, `<directory>/<key>`: its bytes, then its content type, then the length of the type in one
 * byte. So it has its type or is not there at all, and image viewers, which ignore bytes after an image, open it. Needs
 * a file system with hard links. A key cannot also be the folder of another.
 */
export function createFileObjectStore({ directory, secret, now }: Options): FileObjectStore {
  const root = resolve(directory);
  const unfinishedFiles = join(root, UNFINISHED);
  const remove = createRemoval(rm);
  const partials = createPartialUploads({ directory: unfinishedFiles, remove, now });
  const pathOf = (key: string) => {
    checkObjectKey(key);
    return join(root, key);
  };
  return {
    async put(key, body, { contentType }) {
      pathOf(key);
      const unfinished = join(unfinishedFiles, randomUUID());
      await mkdir(unfinishedFiles, { recursive: true, mode: 0o700 });
      try {
        const bytes = await writeFile(unfinished, body, contentType);
        await publish(unfinished, root, key, { orSame: true });
        return { bytes };
      } finally {
        await remove(unfinished);
      }
    },

    async receive({ key, contentType, bytes }, body, offset) {
      // Nothing is left to come of a whole object.
      if (offset > 0 && (await this.head(key))) throw alreadyExists(key);
      await partials.receive({ key, bytes, body, offset }, async (file, path) => {
        await seal(file, contentType);
        await publish(path, root, key);
      });
    },

    async received({ key }) {
      const bytes = await partials.received(key);
      return (await this.head(key))?.bytes ?? bytes;
    },

    async get(key, range) {
      const file = await openObject(pathOf(key));
      if (!file) return null;
      const { contentType } = file;
      const first = Math.min(range?.first ?? 0, file.bytes);
      const last = Math.min(range?.last ?? Number.POSITIVE_INFINITY, file.bytes - 1);
      const bytes = Math.max(0, last - first + 1);
      if (bytes === 0) {
        await file.close();
        return { body: new Blob([]).stream(), bytes, contentType };
      }
      return { body: file.read({ first, last }), bytes, contentType };
    },

    async head(key) {
      const file = await openObject(pathOf(key));
      if (!file) return null;
      await file.close();
      return { bytes: file.bytes, contentType: file.contentType };
    },

    open: (key) => openObject(pathOf(key)),

    async delete(key) {
      const path = pathOf(key);
      partials.discard(key);
      const wasThere = await rm(path).then(
        () => true,
        (error: unknown) => {
          if (!isMissing(error)) throw error;
          return false;
        },
      );
      if (wasThere) await syncFolder(dirname(path));
      // Also where it was not: a put that failed, or an earlier delete, may have left them.
      await removeEmptyFolders(dirname(path), root);
    },

    async signUpload({ key, contentType, bytes, expiresAt }) {
      checkObjectKey(key);
      const url = signUrl({ method: 'PUT', key, contentType, bytes }, expiresAt, secret);
      const resume_url = signUrl({ method: 'PATCH', key, contentType, bytes }, expiresAt, secret);
      return { method: 'PUT', url, headers: uploadHeaders(contentType), resume_url };
    },

    async signForm({ key, contentType, bytes, expiresAt }) {
      checkObjectKey(key);
      return { method: 'POST', url: FORM_PATH, fields: signForm({ key, contentType, bytes }, expiresAt, secret) };
    },

    async signDownload({ key, filename, expiresAt, method = 'GET' }) {
      checkObjectKey(key);
      return signUrl({ method, key, filename }, expiresAt, secret);
    },

    verifySignedForm: (fields) => verifySignedForm(fields, secret, now()),
    verifySignedRequest: (request) => verifySignedRequest(request, secret, now()),
  };
}

/** For the owner of the directory, before it works: every unfinished object belongs to a process that died. */
export async function removeUnfinishedObjects(directory: string): Promise<void> {
  await rm(join(directory, UNFINISHED), { recursive: true, force: true });
}

/** Returns the bytes of the body. On disk when it returns. */
async function writeFile(path: string, body: ReadableStream<Uint8Array>, contentType: string): Promise<number> {
  const handle = await open(path, 'wx', 0o600);
  try {
    let bytes = 0;
    for await (const chunk of body) {
      await handle.writeFile(chunk);
      bytes += chunk.length;
    }
    await seal(handle, contentType);
    return bytes;
  } finally {
    await handle.close();
  }
}

/** Ends a file that has all its bytes. */
async function seal(handle: FileHandle, contentType: string): Promise<void> {
  const type = Buffer.from(contentType);
  if (type.length > MAX_TYPE_BYTES) {
    throw new AppError('invalid', `The content type has ${type.length} bytes; at most ${MAX_TYPE_BYTES} are kept.`);
  }
  const { size } = await handle.stat();
  const tail = Buffer.concat([type, Buffer.from([type.length])]);
  await handle.write(tail, 0, tail.length, size);
  await handle.sync();
}

/**
 * Gives the finished file its name, which must be free; `orSame`: or already be that of a file with the same bytes and
 * type, for whose writer the last steps failed. On disk when it returns.
 */
async function publish(finished: string, root: string, key: string, { orSame = false } = {}): Promise<void> {
  const target = join(root, key);
  const isNew = await linkOnce(finished, target);
  // Every folder up to the root: one that another call made just now may not be on disk yet.
  for (let path = dirname(target); path.length >= root.length; path = dirname(path)) await syncFolder(path);
  if (!isNew && !(orSame && (await haveSameBytes(finished, target)))) throw alreadyExists(key);
}

/** False: the name is taken. */
async function linkOnce(finished: string, target: string): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await link(finished, target);
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return false;
      // Meanwhile, deleting the last other object of the folder has removed it. (`mkdir` says ENOTDIR where a parent that it
      // has just found is gone when it looks again.)
      if (!isMissing(error) || attempt === MAX_LINK_ATTEMPTS) throw error;
    }
  }
}

async function haveSameBytes(one: string, other: string): Promise<boolean> {
  const [hash, otherHash] = await Promise.all([hashOf(one), hashOf(other)]);
  return hash === otherHash;
}

/** Undefined: there is no such file any more. */
async function hashOf(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
  return hash.digest('hex');
}

function alreadyExists(key: string): AppError {
  return new AppError('already-exists', `There is an object ${key} already.`);
}

async function openObject(path: string): Promise<OpenFile | null> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  try {
    const file = await describe(handle);
    if (!file) await handle.close();
    return file;
  } catch (error) {
    await handle.close().catch(() => {}); // it is closed all the same
    throw error;
  }
}

/** Null: it is a folder. */
async function describe(handle: FileHandle): Promise<OpenFile | null> {
  const stats = await handle.stat({ bigint: true });
  if (!stats.isFile()) return null;
  const size = Number(stats.size);
  const tail = Buffer.alloc(Math.min(size, MAX_TYPE_BYTES + 1));
  await handle.read(tail, 0, tail.length, size - tail.length);
  const typeBytes = tail.at(-1) ?? 0;
  const bytes = size - typeBytes - 1;
  return {
    bytes,
    contentType: tail.subarray(-1 - typeBytes, -1).toString(),
    etag: `"${stats.mtimeNs.toString(36)}-${bytes.toString(36)}"`,
    modifiedAt: Number(stats.mtimeMs),
    // Closes the file at its end.
    read: ({ first, last }) => Readable.toWeb(handle.createReadStream({ start: first, end: last })),
    close: () => handle.close(),
  };
}

async function removeEmptyFolders(folder: string, root: string): Promise<void> {
  for (let path = folder; path !== root; path = dirname(path)) {
    try {
      await rmdir(path);
    } catch (error) {
      if (!isMissing(error)) return; // not empty
    }
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
