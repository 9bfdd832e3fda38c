import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { RANDOM_MODELS, type RandomModel } from '../support/random-diffusion.ts';
import type { BenchOptions, BenchTable } from './bench.ts';
import type { DiffusionCase, DiffusionResult } from './diffusion-case.ts';

const execute = promisify(execFile);
const CASE = fileURLToPath(new URL('./diffusion-case.ts', import.meta.url));

/** Sides of photos. */
const [SHORT, LONG] = [[64], [64, 128]];

/** Multiplications and additions for a square photo, by its side, in 10⁹; counted from the definitions of the networks. */
const GFLOP: Record<RandomModel, Record<number, { step: number; decode: number }>> = {
  ldm: { 64: { step: 2 * 40.2, decode: 2 * 335 }, 128: { step: 2 * 161.3, decode: 2 * 1547 } },
  resshift: { 64: { step: 2 * 50.7, decode: 2 * 335 }, 128: { step: 2 * 202.6, decode: 2 * 1547 } },
  // Of a picture of 512 pixels in both cases; with the features of the photo.
  stablesr: { 64: { step: 2 * 482.6, decode: 2 * 3058 }, 128: { step: 2 * 482.6, decode: 2 * 3058 } },
  diffbir: { 64: { step: 2 * 536.7, decode: 2 * 1257.3 }, 128: { step: 2 * 536.7, decode: 2 * 1257.3 } },
};

/**
 * Methods that denoise a latent, in their published sizes with random weights: building, a step, and the way back to pixels.
 * Every case has a process of its own, so that its peak memory is its own. CPU seconds do not count the time of others.
 */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const builds: BenchTable['rows'] = [];
  const rows: BenchTable['rows'] = [];
  for (const model of RANDOM_MODELS) {
    const directory = await mkdtemp(join(tmpdir(), 'seesr-bench-'));
    try {
      const built = await measure({ kind: 'build', model, directory });
      builds.push({ model, 'build (s)': round(built.seconds), 'peak RSS (GB)': gigabytes(built.peakBytes) });
      for (const side of long ? LONG : SHORT) rows.push(await restoreRow({ kind: 'restore', model, directory, side }));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
  const note = 'Random weights, one tile, fp32; the least of the steps after the first.';
  return [
    { title: 'Build, fp32, with the making of the numbers', rows: builds },
    { title: 'One step, and the decoder', rows, note },
  ];
}

async function restoreRow(given: Extract<DiffusionCase, { kind: 'restore' }>) {
  const { model, side } = given;
  const { step, decode, peakBytes } = await measure(given);
  const gflop = GFLOP[model][side]!;
  return {
    model,
    photo: `${side}×${side}`,
    'step (s)': round(step!.seconds),
    'step (CPU s)': round(step!.cpuSeconds),
    'step (GFLOP/s)': Math.round(gflop.step / step!.seconds),
    'decoder (s)': round(decode!.seconds),
    'decoder (CPU s)': round(decode!.cpuSeconds),
    'decoder (GFLOP/s)': Math.round(gflop.decode / decode!.seconds),
    'peak RSS (GB)': gigabytes(peakBytes),
  };
}

async function measure(given: DiffusionCase): Promise<DiffusionResult> {
  const { stdout } = await execute(process.execPath, [CASE, JSON.stringify(given)]);
  return JSON.parse(stdout) as DiffusionResult;
}

const round = (value: number) => Number(value.toPrecision(3));
const gigabytes = (bytes: number) => round(bytes / 1e9);
