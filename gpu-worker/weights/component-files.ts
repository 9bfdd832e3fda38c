import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../shared/error.ts';

/**
 * The weights in a folder of a published pipeline, under the first of the names that diffusers and transformers give
 * them: whole before sharded, full precision before fp16, safetensors before PyTorch. Throws AppError `engine-failed`.
 */
export async function findWeights(directory: string): Promise<string> {
  const names = ['diffusion_pytorch_model', 'model'].flatMap((stem) => variants(stem, 'safetensors'));
  names.push(...['diffusion_pytorch_model', 'pytorch_model'].flatMap((stem) => variants(stem, 'bin')));
  for (const name of names) if (await exists(join(directory, name))) return join(directory, name);
  throw new AppError('engine-failed', `${directory} holds no weights: none of ${names.join(', ')}.`);
}

function variants(stem: string, extension: string): string[] {
  return [
    `${stem}.${extension}`,
    `${stem}.${extension}.index.json`,
    `${stem}.fp16.${extension}`,
    `${stem}.${extension}.index.fp16.json`,
  ];
}

/** The folder of a part of the pipeline, in the first of these that has it. Throws AppError `engine-failed`. */
export async function findComponent(directories: readonly string[], component: string): Promise<string> {
  for (const directory of directories) {
    if (await exists(join(directory, component))) return join(directory, component);
  }
  throw new AppError(
    'engine-failed',
    `There is no folder ${component} in ${directories.join(' or in ') || 'any folder'}.`,
  );
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
