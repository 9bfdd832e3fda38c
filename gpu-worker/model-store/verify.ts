import { readdir, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { AppError } from '../../shared/error.ts';
import { METHODS } from '../../shared/methods/registry.ts';
import { sha256Of } from '../weights/sha256.ts';
import type { Added } from './added.ts';
import {
  directoryOf,
  findInstalled,
  isShippedModel,
  listAdded,
  MANIFEST_FILE,
  openInstalled,
  readModelManifest,
} from './installed.ts';

interface ModelDescription {
  /** Or the name of one that somebody added. */
  id: string;
  /** For people. */
  name: string;
  /** Of a method. */
  license?: string;
  state: 'shipped' | 'installed' | 'damaged' | 'absent';
  bytes?: number;
  dtype?: string;
  device?: string;
  /** Its sources. */
  from: string[];
  /** Of one that somebody added. */
  added?: Added;
  /** Why it cannot be used. */
  problem?: string;
}

interface ExpectedFile {
  file: string;
  bytes: number;
  sha256: string;
}

/** Every model that there is, here or not, then those that somebody added. Reads no weights. */
export async function describeModels(modelsDirectory: string): Promise<ModelDescription[]> {
  const describe = async (id: string, name: string): Promise<ModelDescription> => {
    try {
      const found = await findInstalled(modelsDirectory, id);
      if (!found) return { id, name, state: 'absent', from: [] };
      const { dtype, device, files, sources, added } = found.manifest;
      const isShipped = isShippedModel(id);
      const from = isShipped ? [] : sources.map(({ path }) => path);
      const title = added?.title ?? name;
      return {
        id,
        name: title,
        state: isShipped ? 'shipped' : 'installed',
        bytes: totalBytes(files),
        dtype,
        device,
        from,
        ...(added && { added }),
      };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return { id, name, state: 'damaged', from: [], problem: error.message };
    }
  };
  const own = METHODS.map(async ({ id, name, license }) => ({ ...(await describe(id, name)), license }));
  const added = (await listAdded(modelsDirectory)).map((name) => describe(name, name));
  return await Promise.all([...own, ...added]);
}

/**
 * Reads every file of these models again. `problems`: one sentence each, which begins with the path of the file; `checked`:
 * the models without any. A model that is not there is a problem only if it `must` be.
 */
export async function verifyModels(modelsDirectory: string, models: readonly string[], must: boolean) {
  const checked: string[] = [];
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

async function verifyModel(modelsDirectory: string, id: string): Promise<string[]> {
  const directory = directoryOf(modelsDirectory, id);
  const manifest = await readModelManifest(directory);
  // Where there is none, opening says why.
  return await findDamage(directory, (manifest ?? (await openInstalled(modelsDirectory, id)).manifest).files);
}

async function findDamage(directory: string, expected: readonly ExpectedFile[]): Promise<string[]> {
  const problems: string[] = [];
  for (const { file, bytes, sha256 } of expected) {
    const path = join(directory, file);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) problems.push(`${path}: missing`);
    else if (found.size !== bytes) problems.push(`${path}: damaged, it has ${found.size} bytes instead of ${bytes}`);
    else if ((await sha256Of(path)) !== sha256) problems.push(`${path}: damaged, its sha256 is not ${sha256}`);
  }
  const allowed = new Set([MANIFEST_FILE, ...expected.map(({ file }) => file)]);
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const file = relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/');
    if (!entry.isDirectory() && !allowed.has(file)) problems.push(`${join(directory, file)}: foreign`);
  }
  return problems;
}

function totalBytes(files: readonly { bytes: number }[]): number {
  return files.reduce((total, { bytes }) => total + bytes, 0);
}
