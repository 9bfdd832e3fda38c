import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ModelId } from '../../shared/models.ts';
import type { SrCase, SrResult } from './sr-case.ts';

const run_ = promisify(execFile);
const CASE = fileURLToPath(new URL('./sr-case.ts', import.meta.url));
const TILE_SIZES = [128, 192, 256];

/** Multiplications and additions for one pixel of the input, counted from the networks' definitions. */
const GFLOP_PER_PIXEL: Record<ModelId, number> = { 'real-esrgan': 0.0359, 'real-esrgan-fast': 0.00242 };

/**
 * Seconds per output megapixel and peak memory of both networks at three tile sizes, beside the machine's raw rate in a
 * plain 64→64 3×3 convolution in the same run. Every case has a process of its own, so that its peak memory is its own.
 */
export async function run(): Promise<void> {
  const convolution = await runCase({ kind: 'convolution' });
  const rate = convolution.gflops!;
  console.log(`raw 3×3 convolution, 64→64 channels, 256×256: ${rate.toFixed(0)} GFLOP/s`);
  const rows = [];
  for (const [model, width, height] of [
    ['real-esrgan', 256, 256],
    ['real-esrgan-fast', 1024, 768],
  ] as const) {
    for (const tileSize of TILE_SIZES) {
      const { seconds, peakBytes } = await runCase({ kind: 'upscale', model, tileSize, width, height });
      const flops = (GFLOP_PER_PIXEL[model] * width * height) / seconds!;
      rows.push({
        model,
        input: `${width}×${height}`,
        tile: tileSize,
        'seconds per output MP': Number((seconds! / ((width * height * 16) / 1e6)).toFixed(3)),
        'peak RSS (MB)': Math.round(peakBytes / 1e6),
        'share of the raw rate, overlap not counted': `${Math.round((flops / rate) * 100)} %`,
      });
    }
  }
  console.table(rows);
}

async function runCase(given: SrCase): Promise<SrResult> {
  const { stdout } = await run_(process.execPath, [CASE, JSON.stringify(given)]);
  return JSON.parse(stdout) as SrResult;
}
