import { open } from 'node:fs/promises';
import { AppError } from '../../shared/error.ts';

/** One read gives at most 2 GiB on Linux. */
const MAX_READ_BYTES = 2 ** 30;

/** A file that is read at offsets. */
export interface BinaryFile extends AsyncDisposable {
  readonly path: string;
  readonly bytes: number;
  /** Throws AppError `engine-failed` for bytes that the file does not have, before it allocates anything. */
  read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Throws AppError `engine-failed` if there is no such file, or it may not be read. */
export async function openBinaryFile(path: string): Promise<BinaryFile> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new AppError('engine-failed', `${path} cannot be opened (${error.code}).`, { cause: error });
  });
  const stat = await file.stat();
  if (!stat.isFile()) {
    await file.close();
    throw new AppError('engine-failed', `${path} is not a file.`);
  }
  return {
    path,
    bytes: stat.size,
    async read(position, length) {
      if (position + length > stat.size) {
        throw new AppError(
          'engine-failed',
          `${path} has ${stat.size} bytes; ${length} at ${position} are beyond its end.`,
        );
      }
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await file.read(bytes, done, Math.min(length - done, MAX_READ_BYTES), position + done);
        if (bytesRead === 0) throw new AppError('engine-failed', `${path} became shorter while it was read.`);
        done += bytesRead;
      }
      return bytes;
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}
