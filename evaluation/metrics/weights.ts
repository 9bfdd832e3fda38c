import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { verifiedPath } from '../../gpu-worker/weights/manifest.ts';

const DIRECTORY = fileURLToPath(new URL('../weights', import.meta.url));

/** The path of a file of `weights/manifest.json`. Throws AppError `engine-failed` for a changed file. */
export async function shippedPath(file: string): Promise<string> {
  return await verifiedPath(DIRECTORY, file);
}

/** The text of one. Throws as above. */
export async function readShipped(file: string): Promise<string> {
  return await readFile(await shippedPath(file), 'utf8');
}
