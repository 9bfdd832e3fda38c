import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import { DIFFUSION_MODELS, type DiffusionModelId, type ModelId, SHIPPED_MODELS } from '../../shared/models.ts';

/** Rises when a program could not run what an older one has built. */
export const MODEL_FORMAT = 1;
export const MANIFEST_FILE = 'manifest.json';

const fingerprint = z.object({ bytes: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const manifestSchema = z.object({
  format: z.literal(MODEL_FORMAT),
  model: z.enum(DIFFUSION_MODELS),
  /** How the weights are stored. */
  dtype: z.enum(['fp32', 'fp16']),
  /** What the graphs were made for. */
  device: z.enum(['cpu', 'cuda']),
  /** sha256 of the graphs and of the configuration: it differs when the program that built them did. */
  recipe: z.string(),
  /** What the model was built from. */
  sources: z.array(fingerprint.extend({ path: z.string(), license: z.string() })),
  /** Everything that the folder holds beside the manifest; paths with slashes, relative to it. */
  files: z.array(fingerprint.extend({ file: z.string() })),
});

/** `manifest.json` of a model that was built from the user's files. */
export type ModelManifest = z.infer<typeof manifestSchema>;

export interface InstalledModel {
  directory: string;
  manifest: ModelManifest;
}

/** Models that can be run: those that ship, and those that are built and look whole, without reading their weights. */
export async function listInstalled(modelsDirectory: string): Promise<ModelId[]> {
  const built: ModelId[] = [];
  for (const model of DIFFUSION_MODELS) {
    const found = await findInstalled(modelsDirectory, model).catch((error: unknown) => {
      if (error instanceof AppError) return undefined; // "npm run models -- list" tells why
      throw error;
    });
    if (found) built.push(model);
  }
  return [...built, ...SHIPPED_MODELS];
}

/** Throws AppError: `model-unavailable` for a model that is not there, `engine-failed` for one that is not whole. */
export async function openInstalled(modelsDirectory: string, model: DiffusionModelId): Promise<InstalledModel> {
  const found = await findInstalled(modelsDirectory, model);
  if (!found) {
    throw new AppError(
      'model-unavailable',
      `${model} is not in ${modelsDirectory}: "npm run models -- build ${model}".`,
    );
  }
  return found;
}

/**
 * Undefined where there is nothing. Throws AppError `engine-failed`, with the reason, for a folder that is not a model
 * as this program builds it, or has a file missing or of the wrong size.
 */
export async function findInstalled(
  modelsDirectory: string,
  model: DiffusionModelId,
): Promise<InstalledModel | undefined> {
  const directory = join(modelsDirectory, model);
  if (!(await stat(directory).catch(ignoreMissing))) return undefined;
  const manifest = await readModelManifest(directory);
  if (manifest?.model !== model) throw notWhole(directory, `it has no ${MANIFEST_FILE} of ${model}`);
  for (const { file, bytes } of manifest.files) {
    const found = await stat(join(directory, file)).catch(ignoreMissing);
    if (!found) throw notWhole(directory, `${file} is missing`);
    if (found.size !== bytes) throw notWhole(directory, `${file} has ${found.size} bytes and should have ${bytes}`);
  }
  return { directory, manifest };
}

/** Undefined for a folder without one, or with one that is not of this format. */
export async function readModelManifest(directory: string): Promise<ModelManifest | undefined> {
  const text = await readFile(join(directory, MANIFEST_FILE), 'utf8').catch(ignoreMissing);
  if (text === undefined) return undefined;
  try {
    return manifestSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // not even JSON
  }
}

function notWhole(directory: string, reason: string): AppError {
  return new AppError('engine-failed', `${directory} is not a whole model: ${reason}. Build it anew with --force.`);
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
  return undefined;
}
