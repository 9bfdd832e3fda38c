import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../../shared/error.ts';

/** Writes all that comes to a new file. Throws `invalid` for a terminal, and `too-large`. */
export async function storeStandardInput(path: string, maxBytes: number, signal: AbortSignal): Promise<void> {
  if (process.stdin.isTTY) throw new AppError('invalid', 'Standard input is a terminal: send a photo into it.');
  let bytes = 0;
  async function* upToMax(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooManyBytes(`more than ${maxBytes}`, maxBytes);
      yield chunk;
    }
  }
  await pipeline(process.stdin, upToMax, createWriteStream(path, { flags: 'wx', mode: 0o600 }), { signal });
}

/** Throws `too-large`. */
export function checkBytes(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) throw tooManyBytes(String(bytes), maxBytes);
}

function tooManyBytes(bytes: string, maxBytes: number): AppError {
  return new AppError('too-large', `The file has ${bytes} bytes; MAX_UPLOAD_BYTES is ${maxBytes}.`);
}
