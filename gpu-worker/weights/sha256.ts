import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** Of a file, in hex; reads all of it. `onBytes` is told how many more were read. */
export async function sha256Of(path: string, onBytes: (bytes: number) => void = () => {}): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk);
    onBytes(chunk.length);
  }
  return hash.digest('hex');
}
