import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { buildDasr, PUBLISHED_DASR, writeDasrFiles } from '../support/dasr-files.ts';
import type { BenchOptions, BenchTable } from './bench.ts';
import type { SrCase, SrModel, SrResult } from './sr-case.ts';

const execute = promisify(execFile);
const CASE = fileURLToPath(new URL('./sr-case.ts', import.meta.url));

/** Multiplications and additions for one pixel of the input, counted from the networks' definitions. */
const GFLOP_PER_PIXEL: Record<SrModel, number> = {
  'real-esrgan': 0.0359,
  'real-esrgan-fast': 0.00242,
  // Predictor and generator.
  dasr: 0.00563,
};

interface Photo {
  model: SrModel;
  width: number;
  height: number;
  tileSizes: number[];
}

/** The large network gets just two tiles of the largest size: it is slow. */
const LONG: Photo[] = [
  { model: 'real-esrgan', width: 444, height: 256, tileSizes: [128, 192, 256] },
  { model: 'real-esrgan-fast', width: 1024, height: 768, tileSizes: [128, 192, 256, 384] },
  { model: 'dasr', width: 1024, height: 768, tileSizes: [128, 192, 256] },
];
const SHORT: Photo[] = [
  { model: 'real-esrgan', width: 96, height: 96, tileSizes: [96] },
  { model: 'real-esrgan-fast', width: 384, height: 256, tileSizes: [128, 256] },
  { model: 'dasr', width: 384, height: 256, tileSizes: [128, 256] },
];

/**
 * Seconds per output megapixel and peak memory at several tile sizes, of DASR with random weights, beside the machine's raw rate in a
 * plain 64→64 3×3 convolution of 256×256 in the same run. Every case has a process of its own, so that its peak memory is its own.
 */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-bench-'));
  await buildDasr(modelsDirectory, await writeDasrFiles(modelsDirectory, PUBLISHED_DASR));
  // Shared machines change their pace by the minute: the raw rate is taken before and after every case.
  let before = await rawRate();
  const rows = [];
  for (const { model, width, height, tileSizes } of long ? LONG : SHORT) {
    for (const tileSize of tileSizes) {
      const { seconds, peakBytes } = await runCase({
        kind: 'upscale',
        model,
        modelsDirectory,
        tileSize,
        width,
        height,
      });
      const after = await rawRate();
      const rate = (before + after) / 2;
      before = after;
      const achieved = (GFLOP_PER_PIXEL[model] * width * height) / seconds!;
      rows.push({
        model,
        input: `${width}×${height}`,
        tile: tileSize,
        'seconds per output MP': Number((seconds! / ((width * height * 16) / 1e6)).toFixed(3)),
        'peak RSS (MB)': Math.round(peakBytes / 1e6),
        'raw convolution (GFLOP/s)': Math.round(rate),
        'share of it, overlap not counted': `${Math.round((achieved / rate) * 100)} %`,
      });
    }
  }
  await rm(modelsDirectory, { recursive: true });
  const note =
    'The fastest of two runs in a process of its own; the raw rate is that of a plain 64→64 3×3 convolution of 256×256, before and after.';
  return [{ title: 'Super-resolution of a whole photo, by tiles', rows, note }];
}

async function rawRate(): Promise<number> {
  return (await runCase({ kind: 'convolution' })).gflops!;
}

async function runCase(given: SrCase): Promise<SrResult> {
  const { stdout } = await execute(process.execPath, [CASE, JSON.stringify(given)]);
  return JSON.parse(stdout) as SrResult;
}
