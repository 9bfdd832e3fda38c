import { mkdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError } from '../../shared/error.ts';
import type { Graph } from '../graphs/onnx.ts';
import { writeModel } from '../runtime/compile.ts';
import { syncFolder } from '../sync-folder.ts';
import { elementCount } from '../tensor/tensor.ts';
import { sha256Of } from '../weights/sha256.ts';
import type { BuildPlan } from './build-plan.ts';
import { MANIFEST_FILE, MODEL_FORMAT, type ModelManifest, readModelManifest } from './installed.ts';
import { tryLock } from './lock.ts';

export interface BuildProgress {
  /** The current step. */
  step: string;
  bytes: number;
  totalBytes: number;
}

interface BuildOptions {
  modelsDirectory: string;
  /** Replaces an installed model. */
  force?: boolean;
  onProgress?: (progress: BuildProgress) => void;
}

/** Read or written between two reports of progress, at least. */
const REPORT_BYTES = 4 << 20;

/**
 * Writes a model and its manifest into `modelsDirectory`, at once or not at all: it grows in a hidden folder, which gets
 * its name when it is complete. A build that was killed goes on where it was, unless a source, an option or the program
 * has changed. Holds one tensor at a time.
 * Throws AppError: `conflict` when the model is installed or being built, `engine-failed` where the disk is full.
 */
export async function buildModel(plan: BuildPlan, options: BuildOptions): Promise<ModelManifest> {
  const { modelsDirectory } = options;
  await mkdir(modelsDirectory, { recursive: true });
  const unlock = tryLock(join(modelsDirectory, `.${plan.model}.lock`));
  if (!unlock) throw new AppError('conflict', `Another process is building ${plan.model} in ${modelsDirectory}.`);
  try {
    return await build(plan, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    const rule = 'free some and start the same build again: it goes on where it was';
    throw new AppError('engine-failed', `No space is left on the disk of ${modelsDirectory}; ${rule}.`, {
      cause: error,
    });
  } finally {
    unlock();
  }
}

async function build(plan: BuildPlan, { modelsDirectory, force = false, onProgress }: BuildOptions) {
  const target = join(modelsDirectory, plan.model);
  const growing = join(modelsDirectory, `.${plan.model}.building`);
  await checkTarget(target, force);
  const sourceStats = await Promise.all(plan.sources.map(({ path }) => stat(path)));
  const sourceBytes = sourceStats.map(({ size }) => size);
  const weightBytes = plan.networks.map(({ graph }) => bytesOfWeights(graph));
  // Every source is read for its checksum, every network written and read again.
  const progress = createProgress(sum(sourceBytes) + 2 * sum(weightBytes), onProgress);

  const sources = await hashSources(plan, progress);
  const manifest = await resume(growing, {
    format: MODEL_FORMAT,
    model: plan.model,
    ...(plan.added && { added: plan.added }),
    dtype: plan.dtype,
    device: plan.device,
    recipe: plan.recipe,
    sources,
    files: [],
  });
  const done = new Set(manifest.files.map(({ file }) => file));
  const missing = plan.networks.map(({ name }, index) => (done.has(dataFile(name)) ? 0 : weightBytes[index]!));
  await checkSpace(modelsDirectory, sum(missing));

  for (const [index, { name, graph, read }] of plan.networks.entries()) {
    if (done.has(dataFile(name))) {
      progress.advance(name, 2 * weightBytes[index]!);
      continue;
    }
    const path = join(growing, modelFile(name));
    await writeModel(graph, read, path, (bytes) => progress.advance(name, bytes));
    await addFile(manifest, growing, modelFile(name));
    await addFile(manifest, growing, dataFile(name), (bytes) => progress.advance(name, bytes));
    await writeManifest(growing, manifest);
  }
  for (const [file, content] of plan.texts) {
    await mkdir(dirname(join(growing, file)), { recursive: true });
    await writeFile(join(growing, file), content, { flush: true });
    await addFile(manifest, growing, file);
  }
  await writeManifest(growing, manifest);
  for (const [index, { path }] of plan.sources.entries()) {
    const { size, mtimeMs } = await stat(path);
    if (size !== sourceStats[index]!.size || mtimeMs !== sourceStats[index]!.mtimeMs) {
      throw new AppError('conflict', `${path} was changed while the model was built from it.`);
    }
  }
  await publish(growing, target);
  progress.end();
  return manifest;
}

const modelFile = (network: string) => `${network}.onnx`;
const dataFile = (network: string) => `${modelFile(network)}.data`;
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** A folder that stands there is only replaced on request, and only if it came from here. */
async function checkTarget(target: string, force: boolean): Promise<void> {
  const found = await stat(target).catch(() => undefined);
  if (!found) return;
  if (!(await readModelManifest(target))) {
    throw new AppError(
      'conflict',
      `${target} was not built by this program: move it away, or choose another --models.`,
    );
  }
  if (!force) throw new AppError('conflict', `${target} is there already; --force builds it anew and replaces it.`);
}

async function hashSources({ sources }: BuildPlan, progress: Progress): Promise<ModelManifest['sources']> {
  const hashed: ModelManifest['sources'] = [];
  for (const { path, license } of sources) {
    const sha256 = await sha256Of(path, (bytes) => progress.advance('checking the sources', bytes));
    hashed.push({ path, bytes: (await stat(path)).size, sha256, license });
  }
  return hashed;
}

/** The manifest of an interrupted build of the same, with those files that are finished; else an empty folder. */
async function resume(growing: string, fresh: ModelManifest): Promise<ModelManifest> {
  const before = await readModelManifest(growing);
  const identity = ({ files: _, sources, ...rest }: ModelManifest) =>
    JSON.stringify([rest, sources.map(({ sha256 }) => sha256)]);
  if (before && identity(before) === identity(fresh)) {
    const whole = async ({ file, bytes }: ModelManifest['files'][number]) =>
      (await stat(join(growing, file)).catch(() => undefined))?.size === bytes;
    const files = [];
    for (const file of before.files) if (await whole(file)) files.push(file);
    return { ...fresh, files };
  }
  await rm(growing, { recursive: true, force: true });
  await mkdir(growing);
  return fresh;
}

async function addFile(
  manifest: ModelManifest,
  directory: string,
  file: string,
  onBytes?: (bytes: number) => void,
): Promise<void> {
  const path = join(directory, file);
  const entry = { file, bytes: (await stat(path)).size, sha256: await sha256Of(path, onBytes) };
  manifest.files = [...manifest.files.filter((other) => other.file !== file), entry];
}

async function writeManifest(directory: string, manifest: ModelManifest): Promise<void> {
  const path = join(directory, MANIFEST_FILE);
  await writeFile(`${path}.new`, `${JSON.stringify(manifest, null, 2)}\n`, { flush: true });
  await rename(`${path}.new`, path);
}

/** Gives the finished folder its name; a model that stands there goes only then. */
async function publish(growing: string, target: string): Promise<void> {
  const old = `${growing}.old`;
  await rm(old, { recursive: true, force: true });
  await rename(target, old).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await syncFolder(growing);
  await rename(growing, target);
  await syncFolder(dirname(target));
  await rm(old, { recursive: true, force: true });
}

async function checkSpace(directory: string, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= neededBytes) return;
  const [needed, free] = [neededBytes, bavail * bsize].map((bytes) => `${Math.ceil(bytes / 1e6)} MB`);
  throw new AppError('engine-failed', `The model needs ${needed}; the disk of ${directory} has ${free} free.`);
}

function bytesOfWeights({ weights, weightType }: Graph): number {
  return sum([...weights.values()].map(elementCount)) * (weightType === 'float16' ? 2 : 4);
}

type Progress = ReturnType<typeof createProgress>;

function createProgress(totalBytes: number, onProgress: BuildOptions['onProgress'] = () => {}) {
  let bytes = 0;
  let reported = { step: '', bytes: 0 };
  return {
    advance(step: string, more: number) {
      bytes = Math.min(totalBytes, bytes + more);
      if (step === reported.step && bytes - reported.bytes < REPORT_BYTES) return;
      reported = { step, bytes };
      onProgress({ ...reported, totalBytes });
    },
    end: () => onProgress({ step: 'done', bytes: totalBytes, totalBytes }),
  };
}
