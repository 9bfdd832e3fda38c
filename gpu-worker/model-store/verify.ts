import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { AppError } from '../../shared/error.ts';
import { isDiffusionModel, MODEL_IDS, type ModelId } from '../../shared/models.ts';
import { readManifest } from '../weights/manifest.ts';
import { sha256Of } from '../weights/sha256.ts';
import { findInstalled, MANIFEST_FILE, openInstalled, readModelManifest } from './installed.ts';
import { REAL_ESRGAN_DIRECTORY, REAL_ESRGAN_FILES } from './real-esrgan.ts';

interface ModelDescription {
  id: ModelId;
  state: 'shipped' | 'installed' | 'damaged' | 'absent';
  bytes?: number;
  dtype?: string;
  device?: string;
  /** What it was built from. */
  from: string[];
  /** Why it cannot be used. */
  problem?: string;
}

interface ExpectedFile {
  file: string;
  bytes: number;
  sha256: string;
}

/** Every model that there is, here or not. Reads no weights. */
export async function describeModels(modelsDirectory: string): Promise<ModelDescription[]> {
  const shipped = await readManifest(REAL_ESRGAN_DIRECTORY);
  const describe = async (id: ModelId): Promise<ModelDescription> => {
    if (!isDiffusionModel(id)) {
      const names: readonly string[] = REAL_ESRGAN_FILES[id];
      const files = shipped.filter(({ file }) => names.includes(file));
      return { id, state: 'shipped', bytes: totalBytes(files), dtype: 'fp16', device: 'cpu', from: [] };
    }
    try {
      const found = await findInstalled(modelsDirectory, id);
      if (!found) return { id, state: 'absent', from: [] };
      const { dtype, device, files, sources } = found.manifest;
      return { id, state: 'installed', bytes: totalBytes(files), dtype, device, from: sources.map(({ path }) => path) };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return { id, state: 'damaged', from: [], problem: error.message };
    }
  };
  return await Promise.all(MODEL_IDS.map(describe));
}

/**
 * Reads every file of these models again. `problems`: one sentence each, which begins with the path of the file; `checked`:
 * the models without any. A model that is not there is a problem only if it `must` be.
 */
export async function verifyModels(modelsDirectory: string, models: readonly ModelId[], must: boolean) {
  const checked: ModelId[] = [];
  const problems: string[] = [];
  for (const id of models) {
    const found = await verifyModel(modelsDirectory, id).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error;
      return error.code === 'model-unavailable' && !must ? undefined : [error.message];
    });
    if (found?.length === 0) checked.push(id);
    else problems.push(...(found ?? []));
  }
  return { checked, problems };
}

async function verifyModel(modelsDirectory: string, id: ModelId): Promise<string[]> {
  if (isDiffusionModel(id)) {
    const directory = join(modelsDirectory, id);
    const manifest = await readModelManifest(directory);
    // Where there is none, opening says why.
    return await findDamage(directory, (manifest ?? (await openInstalled(modelsDirectory, id)).manifest).files);
  }
  const shipped = await readManifest(REAL_ESRGAN_DIRECTORY);
  const names: readonly string[] = REAL_ESRGAN_FILES[id];
  const [own, others] = [true, false].map((mine) => shipped.filter(({ file }) => names.includes(file) === mine));
  return await findDamage(REAL_ESRGAN_DIRECTORY, own!, ['LICENSE', ...others!.map(({ file }) => file)]);
}

/** `known`: files that may lie there as well. */
async function findDamage(
  directory: string,
  expected: readonly ExpectedFile[],
  known: readonly string[] = [],
): Promise<string[]> {
  const problems: string[] = [];
  for (const { file, bytes, sha256 } of expected) {
    const path = join(directory, file);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) problems.push(`${path}: missing`);
    else if (found.size !== bytes) problems.push(`${path}: damaged, it has ${found.size} bytes instead of ${bytes}`);
    else if ((await sha256Of(path)) !== sha256) problems.push(`${path}: damaged, its sha256 is not ${sha256}`);
  }
  const allowed = new Set([MANIFEST_FILE, ...known, ...expected.map(({ file }) => file)]);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const file = relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/');
    if (!entry.isDirectory() && !allowed.has(file)) problems.push(`${join(directory, file)}: foreign`);
  }
  return problems;
}

function totalBytes(files: readonly { bytes: number }[]): number {
  return files.reduce((total, { bytes }) => total + bytes, 0);
}
