import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchOptions, BenchTable } from './bench.ts';
import type { Measurements, NetworkName } from './seesr-case.ts';

const execute = promisify(execFile);
const CASE = fileURLToPath(new URL('./seesr-case.ts', import.meta.url));

type Given<Kind extends keyof Measurements> = Parameters<Measurements[Kind]>[0];
type Measured<Kind extends keyof Measurements> = Awaited<ReturnType<Measurements[Kind]>> & { peakBytes: number };
type Rates = Awaited<ReturnType<Measurements['raw']>>;
type Row = BenchTable['rows'][number];

const NETWORKS: NetworkName[] = ['tagger', 'text-encoder', 'vae-encoder', 'vae-decoder'];
/** Sides of latents: results of 256, 512 and 768 pixels. */
const SIDES = [32, 64, 96];
const SIDE = 64;
const STEP_NOTE =
  'Random weights, two texts (guidance). The fastest of three; raw rates of a large matrix product and a 3×3 convolution before and after.';

/**
 * SeeSR in its published size, with random weights: building, loading and one step of the denoiser under guidance, how
 * its cost grows, and the parts that are not computed twice. CPU seconds do not count the time of other processes.
 * The long form takes a quarter of an hour on an idle machine; both need 10 GB below the temporary folder.
 */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-bench-'));
  try {
    const built = await measure('build', { directory, dtype: 'fp32' });
    const tables: BenchTable[] = [
      { title: 'Build, fp32', rows: [buildRow(built)] },
      { title: 'One step, fp32', rows: await stepRows(directory, long ? SIDES : SIDES.slice(0, 1)), note: STEP_NOTE },
      { title: 'Runs for a photo of 4 tiles, 3 steps', rows: [await runsRow(directory)] },
      { title: 'Weights of the label queries, when the tagger is loaded', rows: [await labelRow(directory)] },
    ];
    if (long) tables.push(...(await longTables(directory, built)));
    return tables;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function longTables(directory: string, built: Measured<'build'>): Promise<BenchTable[]> {
  return [
    { title: `Tiles of ${SIDE}×${SIDE} that overlap by half, one step`, rows: await tileRows(directory) },
    { title: 'Networks that run once a photo, result of 512×512', rows: await networkRows(directory, built) },
    {
      title: 'Build, weights stored in fp16',
      rows: [buildRow(await measure('build', { directory, dtype: 'fp16' }))],
    },
    { title: 'One step, weights stored in fp16', rows: await stepRows(directory, [SIDE]) },
  ];
}

function buildRow({ seconds, peakBytes, files }: Measured<'build'>): Row {
  const bytes = files.reduce((total, file) => total + file.bytes, 0);
  return { seconds: round(seconds), 'written (GB)': gigabytes(bytes), 'peak RSS (GB)': gigabytes(peakBytes) };
}

async function stepRows(directory: string, sides: number[]): Promise<Row[]> {
  const rows: Row[] = [];
  for (const side of sides) {
    const { result, rates } = await besideRates('step', { directory, side, repeats: 3 });
    const { seconds, cpuSeconds, loadSeconds, peakBytes } = result;
    rows.push({
      latent: `${side}×${side}`,
      'load (s)': round(loadSeconds),
      'step (s)': round(seconds),
      'step (CPU s)': round(cpuSeconds),
      'peak RSS (GB)': gigabytes(peakBytes),
      'GFLOP computed': Math.round(gflopOfStep(side).computed),
      ...shares(gflopOfStep(side).computed / seconds, rates),
    });
  }
  return rows;
}

async function tileRows(directory: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const tilesPerSide of [1, 2, 3]) {
    const given = { directory, tilesPerSide, tileSize: SIDE, steps: 1 };
    const { result, rates } = await besideRates('image', given);
    const tiles = tilesPerSide ** 2;
    rows.push({
      tiles,
      'step (s)': round(result.seconds),
      'a tile (s)': round(result.seconds / tiles),
      'a tile (CPU s)': round(result.cpuSeconds / tiles),
      'peak RSS (GB)': gigabytes(result.peakBytes),
      ...shares((tiles * gflopOfStep(SIDE).computed) / result.seconds, rates),
    });
  }
  return rows;
}

async function runsRow(directory: string): Promise<Row> {
  return (await measure('image', { directory, tilesPerSide: 2, tileSize: 16, steps: 3 })).runs;
}

async function labelRow(directory: string): Promise<Row> {
  const { left, of, second } = await measure('labelQueries', { directory });
  return {
    'in the file': of,
    'left when folded': left,
    'second layer, which needs the photo': second ? 'kept' : 'gone',
  };
}

async function networkRows(directory: string, { files }: Measured<'build'>): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of NETWORKS) {
    const { first, next, peakBytes } = await measure('network', { directory, name });
    const bytes = files.find(({ file }) => file === `${name}.onnx.data`)!.bytes;
    rows.push({
      network: name,
      'weights (GB)': gigabytes(bytes),
      'load (s)': round(Math.max(0, first - next)),
      'call (s)': round(next),
      'peak RSS (GB)': gigabytes(peakBytes),
    });
  }
  return rows;
}

/**
 * Multiplications and additions of a step under guidance, counted from the definitions of the networks, in 10⁹.
 * `published`: all of it for both texts. `computed`: without the parts from before the first step (keys and values of
 * the contexts, ControlNet's view of the pixels), and once the parts that the two texts share (all up to the first
 * cross-attention).
 */
function gflopOfStep(side: number): { published: number; computed: number } {
  const pixels = (side / 64) ** 2;
  const [contexts, stem] = [5.6, 7.4 * pixels];
  const selfAttention = 171.4 * pixels ** 2;
  const layers = 633.1 * pixels;
  const shared = 20.2 * pixels + 21.5 * pixels ** 2;
  return {
    published: 2 * 2 * (contexts + stem + layers + selfAttention),
    computed: 2 * (2 * (layers + selfAttention) - shared),
  };
}

function shares(gflops: number, { matmul, convolution }: Rates): Row {
  return {
    'GFLOP/s': Math.round(gflops),
    'raw MatMul': Math.round(matmul),
    'raw convolution': Math.round(convolution),
    'share of MatMul': `${Math.round((100 * gflops) / matmul)} %`,
    load: round(loadavg()[0]!),
  };
}

/** Shared machines change their pace by the minute: the raw rates are taken before and after. */
async function besideRates<Kind extends 'step' | 'image'>(kind: Kind, given: Given<Kind>) {
  const before = await measure('raw', undefined as never);
  const result = await measure(kind, given);
  const after = await measure('raw', undefined as never);
  const mean = (rate: keyof Rates) => (before[rate] + after[rate]) / 2;
  return { result, rates: { matmul: mean('matmul'), convolution: mean('convolution') } };
}

async function measure<Kind extends keyof Measurements>(kind: Kind, given: Given<Kind>): Promise<Measured<Kind>> {
  const { stdout } = await execute(process.execPath, [CASE, JSON.stringify([kind, given ?? {}])]);
  return JSON.parse(stdout) as Measured<Kind>;
}

const round = (value: number) => Number(value.toFixed(2));
const gigabytes = (bytes: number) => round(bytes / 1e9);
