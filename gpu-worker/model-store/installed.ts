import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { AppError } from '../../shared/error.ts';
import { METHOD_IDS, type MethodId, SHIPPED_IDS } from '../../shared/methods/registry.ts';
import { DEVICE_NAMES } from '../runtime/devices.ts';
import { sha256Of } from '../weights/sha256.ts';
import { type Added, addedSchema } from './added.ts';

/** Rises when a program could not run the models that an older one has built. */
export const MODEL_FORMAT = 1;
export const MANIFEST_FILE = 'manifest.json';

const fingerprint = z.object({ bytes: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
const manifestSchema = z.object({
  format: z.literal(MODEL_FORMAT),
  /** Its id, or the name of one that somebody added; the folder has it too. */
  model: z.string(),
  /** Only of such a one. */
  added: addedSchema.optional(),
  /** How the weights are stored. */
  dtype: z.enum(['fp32', 'fp16']),
  /** The device of the graphs. */
  device: z.enum(DEVICE_NAMES),
  /** sha256 of the graphs and of the configuration: it differs when the program that built them did. */
  recipe: z.string(),
  /** The files from which the model was built. */
  sources: z.array(fingerprint.extend({ path: z.string(), license: z.string() })),
  /** Everything that the folder holds beside the manifest; paths with slashes, relative to it. */
  files: z.array(fingerprint.extend({ file: z.string() })),
});

/** `manifest.json` of an installed model: one that ships, or was built from the user's files. */
export type ModelManifest = z.infer<typeof manifestSchema>;

export interface InstalledModel {
  directory: string;
  /** The method that computes it. */
  method: MethodId | Added['family'];
  manifest: ModelManifest;
}

/** A models directory as well: of the models that come with the program. */
const SHIPPED_DIRECTORY = fileURLToPath(new URL('../shipped', import.meta.url));

export function isShippedModel(model: string): boolean {
  return SHIPPED_IDS.some((id) => id === model);
}

function isMethod(name: string): boolean {
  return METHOD_IDS.some((id) => id === name);
}

/** Where a model is, installed or not. */
export function directoryOf(modelsDirectory: string, model: string): string {
  return join(isShippedModel(model) ? SHIPPED_DIRECTORY : modelsDirectory, model);
}

/** sha256 in hex of the manifest, which holds the sha256 of every file of the model: one number for all its weights. */
export async function hashOfWeights({ directory }: InstalledModel): Promise<string> {
  return await sha256Of(join(directory, MANIFEST_FILE));
}

/** Methods that can be run: those whose model looks whole, without reading its weights. */
export async function listInstalled(modelsDirectory: string): Promise<MethodId[]> {
  const installed: MethodId[] = [];
  for (const model of METHOD_IDS) {
    const found = await findInstalled(modelsDirectory, model).catch((error: unknown) => {
      if (error instanceof AppError) return undefined; // "npm run models -- list" tells why
      throw error;
    });
    if (found) installed.push(model);
  }
  return installed;
}

/** Names of the models that somebody added and that are there, whole or not. */
export async function listAdded(modelsDirectory: string): Promise<string[]> {
  const folders = (await readdir(modelsDirectory).catch(ignoreMissing)) ?? [];
  const names: string[] = [];
  for (const name of folders.filter((folder) => !folder.startsWith('.')).toSorted()) {
    const manifest = await readModelManifest(join(modelsDirectory, name));
    if (manifest?.added && manifest.model === name && !isMethod(name)) names.push(name);
  }
  return names;
}

/** Throws AppError: `model-unavailable` for a model that is not there, `engine-failed` for one that is not whole. */
export async function openInstalled(modelsDirectory: string, model: string): Promise<InstalledModel> {
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
export async function findInstalled(modelsDirectory: string, model: string): Promise<InstalledModel | undefined> {
  const directory = directoryOf(modelsDirectory, model);
  if (!(await stat(directory).catch(ignoreMissing))) return undefined;
  const manifest = await readModelManifest(directory);
  if (manifest?.model !== model) throw notWhole(directory, `it has no ${MANIFEST_FILE} of ${model}`);
  for (const { file, bytes } of manifest.files) {
    const found = await stat(join(directory, file)).catch(ignoreMissing);
    if (!found) throw notWhole(directory, `${file} is missing`);
    if (found.size !== bytes) throw notWhole(directory, `${file} has ${found.size} bytes and should have ${bytes}`);
  }
  if (manifest.added && isMethod(model)) {
    throw new AppError(
      'engine-failed',
      `${directory} holds a model that was added, and ${model} is a method of this program now: remove it, and add it under another name.`,
    );
  }
  const method = manifest.added?.family ?? METHOD_IDS.find((id) => id === model);
  if (!method) throw notWhole(directory, `its ${MANIFEST_FILE} names no method of this program`);
  return { directory, method, manifest };
}

/** Undefined for a folder without one, or with one that is not of this format. */
export async function readModelManifest(directory: string): Promise<ModelManifest | undefined> {
  const text = await readFile(join(directory, MANIFEST_FILE), 'utf8').catch(ignoreMissing);
  if (text === undefined) return undefined;
  try {
    return manifestSchema.safeParse(underNewName(JSON.parse(text))).data;
  } catch {
    return undefined; // not even JSON
  }
}

/** Earlier programs wrote `brought` for `added`. */
function underNewName(manifest: { brought?: unknown; added?: unknown }): object {
  const { brought, added = brought, ...others } = manifest;
  return { ...others, added };
}

function notWhole(directory: string, reason: string): AppError {
  return new AppError('engine-failed', `${directory} is not a whole model: ${reason}. Build it anew with --force.`);
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
  return undefined;
}
