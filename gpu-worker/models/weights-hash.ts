import { join } from 'node:path';
import { isDiffusionModel, type ModelId } from '../../shared/models.ts';
import { sha256Of } from '../weights/sha256.ts';
import { MANIFEST_FILE } from './installed.ts';
import { REAL_ESRGAN_DIRECTORY } from './real-esrgan.ts';

/** sha256 in hex of the manifest that holds the sha256 of every file of the model: one number for all its weights. */
export async function hashOfWeights(modelsDirectory: string, model: ModelId): Promise<string> {
  const directory = isDiffusionModel(model) ? join(modelsDirectory, model) : REAL_ESRGAN_DIRECTORY;
  return await sha256Of(join(directory, MANIFEST_FILE));
}
