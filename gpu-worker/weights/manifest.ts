import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import { sha256Of } from './sha256.ts';

/** `manifest.json` of any folder of weights, with any other fields: the required contents of each file. */
const manifestSchema = z.object({ files: z.array(z.object({ file: z.string(), sha256: z.string().length(64) })) });

/**
 * The path of a file that the folder's manifest lists, after reading all of it: a damaged or exchanged file would
 * give pictures that are wrong in ways nobody sees. Throws AppError `engine-failed` with both checksums.
 */
export async function verifiedPath(directory: string, file: string): Promise<string> {
  const { files } = manifestSchema.parse(JSON.parse(await readFile(join(directory, 'manifest.json'), 'utf8')));
  const entry = files.find((candidate) => candidate.file === file);
  if (!entry) throw new AppError('engine-failed', `${directory}/manifest.json does not list ${file}.`);
  const path = join(directory, file);
  const sha256 = await sha256Of(path);
  if (sha256 !== entry.sha256) {
    throw new AppError('engine-failed', `${path} has sha256 ${sha256}, its manifest says ${entry.sha256}.`);
  }
  return path;
}
