import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AppError } from '../shared/error.ts';
import type { Measured } from './measure.ts';

/** What was measured, picture by picture, so that a run can go on where an earlier one ended. */
export interface Records {
  /** Undefined where it was not measured yet. */
  read(model: string, name: string): Promise<Measured | undefined>;
  write(model: string, name: string, measured: Measured): Promise<void>;
}

/**
 * Records below `directory`. `facts`: all that numbers depend on, as JSON has it. Throws AppError `conflict` where the folder has
 * records of other facts.
 */
export async function openRecords(directory: string, facts: unknown): Promise<Records> {
  const told = join(directory, 'facts.json');
  const earlier = await readJson<unknown>(told);
  const wanted: unknown = JSON.parse(JSON.stringify(facts));
  if (earlier !== undefined && !isDeepStrictEqual(earlier, wanted)) {
    throw new AppError('conflict', `${directory} has records of a run with other options: name another --out.`);
  }
  await writeWhole(told, JSON.stringify(wanted, null, 2));
  const pathOf = (model: string, name: string) => join(directory, model, `${name}.json`);
  return {
    async read(model, name) {
      const measured = await readJson<Measured>(pathOf(model, name));
      return (
        measured && { ...measured, features: mapFeatures(measured.features, (values) => Float64Array.from(values)) }
      );
    },
    async write(model, name, measured) {
      const plain = { ...measured, features: mapFeatures(measured.features, (values) => [...values]) };
      await writeWhole(pathOf(model, name), JSON.stringify(plain));
    },
  };
}

function mapFeatures(features: Measured['features'], change: (values: Float64Array) => Float64Array | number[]) {
  const entries = Object.entries(features).map(([id, { result, truth }]) => {
    return [id, { result: change(result), truth: change(truth) }] as const;
  });
  return Object.fromEntries(entries) as Measured['features'];
}

async function readJson<Value>(path: string): Promise<Value | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  return text === undefined ? undefined : (JSON.parse(text) as Value);
}

/** Whole or not at all. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.part`, text);
  await rename(`${path}.part`, path);
}
