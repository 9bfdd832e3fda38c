import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { AppError } from '../../shared/error.ts';

/** `manifest.json` of a folder of weights: what must be in each file, and whose it is. */
const manifestSchema = z.array(
  z.strictObject({
    file: z.string(),
    bytes: z.int().positive(),
    /** Hex. */
    sha256: z.string().length(64),
    license: z.string(),
    source: z.string(),
  }),
);

/**
 * The path of a file that the folder's manifest lists, after reading all of it: a damaged or exchanged file would
 * give pictures that are wrong in ways nobody sees. Throws AppError `engine-failed` with both checksums.
 */
export async function verifiedPath(directory: string, file: string): Promise<string> {
  const manifest = manifestSchema.parse(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')));
  const entry = manifest.find((candidate) => candidate.file === file);
  if (!entry) throw new AppError('engine-failed', `${directory}/manifest.json does not list ${file}.`);
  const path = join(directory, file);
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  const sha256 = hash.digest('hex');
  if (sha256 !== entry.sha256) {
    throw new AppError('engine-failed', `${path} has sha256 ${sha256}, its manifest says ${entry.sha256}.`);
  }
  return path;
}
