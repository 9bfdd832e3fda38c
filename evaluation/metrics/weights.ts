import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { verifiedPath } from '../../gpu-worker/weights/manifest.ts';
import { type BrisqueModel, parseSvm } from './brisque.ts';
import type { PristineModel } from './niqe.ts';

const DIRECTORY = fileURLToPath(new URL('../weights', import.meta.url));

/** The LIVE laboratory's parameters, see `weights/manifest.json`. Throws AppError `engine-failed` for a changed file. */
export async function readPristineModel(): Promise<PristineModel> {
  return JSON.parse(await read('niqe-pristine.json')) as PristineModel;
}

/** As above. */
export async function readBrisqueModel(): Promise<BrisqueModel> {
  const ranges = JSON.parse(await read('brisque-ranges.json')) as BrisqueModel['ranges'];
  return { ...parseSvm(await read('brisque-svm.txt')), ranges };
}

async function read(file: string): Promise<string> {
  return await readFile(await verifiedPath(DIRECTORY, file), 'utf8');
}
