import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../error.ts';
import { UPLOAD_URL_SECONDS } from '../../limits.ts';

interface Options {
  /** Of unfinished files; created when missing. Its owner removes the files of an earlier process. */
  directory: string;
  remove: (path: string) => Promise<void>;
  /** Milliseconds since 1970. */
  now: () => number;
}

interface Partial {
  path: string;
  /** That have been written. */
  bytes: number;
  /** Milliseconds since 1970. */
  keptUntil: number;
}

interface Incoming {
  key: string;
  /** Of the whole file. */
  bytes: number;
  body: ReadableStream<Uint8Array>;
  offset: number;
}

interface Writer {
  stop: AbortController;
  ended: Promise<void>;
}

/**
 * Uploads whose connection broke: their bytes are kept, as long as their URL can be valid, for a sender that goes on
 * there (draft-ietf-httpbis-resumable-upload-10). Known to this process alone: after a restart an upload begins anew.
 */
export function createPartialUploads({ directory, remove, now }: Options) {
  const partials = new Map<string, Partial>();
  const writers = new Map<string, Writer>();

  function keep(key: string, partial: Partial): void {
    discard(key);
    partials.set(key, { ...partial, keptUntil: now() + UPLOAD_URL_SECONDS * 1000 });
  }

  function discard(key: string): void {
    const partial = partials.get(key);
    partials.delete(key);
    if (partial) void remove(partial.path);
  }

  /** A connection that died without a word still waits for its body: a question how far it came ends it. */
  async function settle(key: string): Promise<number> {
    for (const [other, { keptUntil }] of partials) if (keptUntil <= now()) discard(other);
    const writer = writers.get(key);
    writer?.stop.abort();
    await writer?.ended;
    return partials.get(key)?.bytes ?? 0;
  }

  /** The bytes of the upload so far. Throws `conflict` with their number, when that is not `offset`. */
  async function take(key: string, offset: number): Promise<Partial> {
    if (offset === 0) return { path: join(directory, randomUUID()), bytes: 0, keptUntil: 0 };
    const bytes = await settle(key);
    const partial = partials.get(key);
    if (!partial || bytes !== offset) {
      const headers = { 'Upload-Offset': String(bytes) };
      throw new AppError('conflict', `Upload-Offset is ${offset}; ${bytes} bytes have come so far.`, { headers });
    }
    partials.delete(key);
    return partial;
  }

  return {
    /** How many bytes have come; 0 of an unknown upload. */
    received: settle,
    discard,

    /** Writes the body at `offset`, all that is left, and hands the file to `finish`, which moves it away. */
    async receive(
      { key, bytes, body, offset }: Incoming,
      finish: (file: FileHandle, path: string) => Promise<void>,
    ): Promise<void> {
      const partial = await take(key, offset);
      const stop = new AbortController();
      const { promise: ended, resolve: end } = Promise.withResolvers<void>();
      const writer = { stop, ended };
      writers.set(key, writer);
      let file: FileHandle | undefined;
      let isWhole = false;
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        file = await open(partial.path, offset === 0 ? 'wx' : 'r+', 0o600);
        await append(file, partial, body, stop.signal);
        isWhole = true;
        await finish(file, partial.path);
      } finally {
        await file?.close().catch(() => {}); // it is on disk by then, or not whole
        // All of it, and refused at its end: nothing could be added that would make it right.
        const isPart = partial.bytes > 0 && partial.bytes < bytes;
        if (!isWhole && isPart) keep(key, partial);
        else await remove(partial.path);
        if (isWhole) discard(key); // the rest of an earlier attempt
        if (writers.get(key) === writer) writers.delete(key);
        end();
      }
    },
  };
}

/** Counts the written bytes in `partial`. Throws when the body breaks off or is stopped. */
async function append(file: FileHandle, partial: Partial, body: ReadableStream<Uint8Array>, stop: AbortSignal) {
  const reader = body.getReader();
  const stopped = new Promise<never>((_, reject) => {
    stop.addEventListener('abort', () => reject(new AppError('conflict', 'The upload goes on elsewhere.')));
  });
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), stopped]);
      if (done) return;
      for (let written = 0; written < value.length; ) {
        const { bytesWritten } = await file.write(value, written, value.length - written, partial.bytes);
        written += bytesWritten;
        partial.bytes += bytesWritten;
      }
    }
  } catch (error) {
    void reader.cancel(error).catch(() => {}); // of a dead connection it may take for ever
    throw error;
  }
}
