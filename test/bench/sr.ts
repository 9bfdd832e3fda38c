import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { RealEsrganId } from '../../shared/methods/real-esrgan.ts';
import { buildMethod } from '../support/build-method.ts';
import { PUBLISHED_DASR, writeDasrFiles } from '../support/dasr-files.ts';
import { writeRandomFemasr } from '../support/random-femasr.ts';
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
  // With the padding of a photo of 128×128.
  femasr: 0.0592,
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
  { model: 'femasr', width: 240, height: 160, tileSizes: [128, 256] },
];
const SHORT: Photo[] = [
  { model: 'real-esrgan', width: 96, height: 96, tileSizes: [96] },
  { model: 'real-esrgan-fast', width: 384, height: 256, tileSizes: [128, 256] },
  { model: 'dasr', width: 384, height: 256, tileSizes: [128, 256] },
  { model: 'femasr', width: 96, height: 64, tileSizes: [256] },
];

/** A photo whose way through stages is compared with that through the whole network in each tile. */
interface Race {
  model: RealEsrganId;
  width: number;
  height: number;
  /** A part of the photo with text, and tiles that are smaller. */
  text: { width: number; height: number };
  tileSizes: number[];
}

const RACE_TILE = 256;
const LONG_RACE: Race[] = (['real-esrgan', 'real-esrgan-fast'] as const).map((model) => {
  return { model, width: 1024, height: 768, text: { width: 400, height: 320 }, tileSizes: [96, 160, 256] };
});
const SHORT_RACE: Race[] = [
  { model: 'real-esrgan-fast', width: 512, height: 384, text: { width: 264, height: 200 }, tileSizes: [128, 192] },
];

/**
 * Seconds per output megapixel and peak memory at several tile sizes, of DASR and FeMaSR with random weights, beside the machine's raw rate in a
 * plain 64→64 3×3 convolution of 256×256 in the same run. Every case has a process of its own, so that its peak memory is its own.
 */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const modelsDirectory = await mkdtemp(join(tmpdir(), 'seesr-bench-'));
  await buildMethod('dasr', await writeDasrFiles(modelsDirectory, PUBLISHED_DASR), modelsDirectory);
  const femasr = join(modelsDirectory, 'femasr.safetensors');
  await writeRandomFemasr(femasr);
  await buildMethod('femasr', { femasr }, modelsDirectory);
  // Shared machines change their pace by the minute: the raw rate is taken before and after every case.
  let before = await rawRate();
  const rows = [];
  for (const { model, width, height, tileSizes } of long ? LONG : SHORT) {
    for (const tileSize of tileSizes) {
      const photo = { tileSize, width, height, repeats: 2 };
      const { seconds, peakBytes } = await runCase(
        model === 'dasr' || model === 'femasr'
          ? { kind: 'restore', model, modelsDirectory, ...photo }
          : { kind: 'upscale', model, ...photo },
      );
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
  return [
    { title: 'Super-resolution of a whole photo, by tiles', rows, note },
    await raceStages(long ? LONG_RACE : SHORT_RACE),
    await compareTiles(long ? LONG_RACE : SHORT_RACE),
  ];
}

/** Stage by stage, and the whole network in each tile, in turn: each twice. */
async function raceStages(race: Race[]): Promise<BenchTable> {
  const rows: BenchTable['rows'] = [];
  for (const { model, width, height } of race) {
    const ways = [false, true].map((isUnstaged) => ({ isUnstaged, results: [] as SrResult[] }));
    for (let turn = 0; turn < 2; turn++) {
      for (const { isUnstaged, results } of ways) {
        const photo = { model, width, height, tileSize: RACE_TILE };
        results.push(await runCase({ kind: 'upscale', ...photo, isUnstaged, repeats: 1 }));
      }
    }
    const [staged, unstaged] = ways.map(({ results }) => ({
      seconds: Math.min(...results.map(({ seconds }) => seconds!)),
      cpuSeconds: Math.min(...results.map(({ cpuSeconds }) => cpuSeconds!)),
      peakBytes: Math.max(...results.map((result) => result.peakBytes)),
    })) as [Required<Measured>, Required<Measured>];
    const round = (value: number) => Number(value.toPrecision(3));
    rows.push({
      model,
      input: `${width}×${height}`,
      'by stages (s)': round(staged.seconds),
      'whole network (s)': round(unstaged.seconds),
      'share of the time': round(staged.seconds / unstaged.seconds),
      'the same by CPU seconds': round(staged.cpuSeconds / unstaged.cpuSeconds),
      'peak RSS by stages (MB)': Math.round(staged.peakBytes / 1e6),
      'whole network (MB)': Math.round(unstaged.peakBytes / 1e6),
    });
  }
  const note = `Tiles of ${RACE_TILE}; before, they overlapped by 68 or 56 pixels. The least of two runs each, in turn, each in a process of its own.`;
  return { title: 'Stage by stage, against the whole network in each tile', rows, note };
}

type Measured = Pick<SrResult, 'seconds' | 'cpuSeconds' | 'peakBytes'>;

/** Largest differences from the picture in one piece. */
async function compareTiles(race: Race[]): Promise<BenchTable> {
  const rows: BenchTable['rows'] = [];
  for (const { model, text, tileSizes } of race) {
    for (const isUnstaged of [false, true]) {
      const { differences } = await runCase({ kind: 'differences', model, ...text, tileSizes, isUnstaged });
      const columns = Object.entries(differences!).map(([size, difference]) => [`tiles of ${size}`, difference]);
      rows.push({
        model,
        way: isUnstaged ? 'whole network in each tile' : 'by stages',
        ...Object.fromEntries(columns),
      });
    }
  }
  const note = 'The largest difference of any 8-bit value, in levels, on a photo with text.';
  return { title: 'Tiles against the picture in one piece', rows, note };
}

async function rawRate(): Promise<number> {
  return (await runCase({ kind: 'convolution' })).gflops!;
}

async function runCase(given: SrCase): Promise<SrResult> {
  const { stdout } = await execute(process.execPath, [CASE, JSON.stringify(given)]);
  return JSON.parse(stdout) as SrResult;
}
