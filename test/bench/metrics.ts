import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { dists, lpips } from '../../evaluation/metrics/perceptual-graphs.ts';
import { METRICS, type MetricId } from '../../evaluation/metrics/registry.ts';
import { publishedTensors } from '../support/metric-keys.ts';
import { writeRandomTensors } from '../support/random-tensors.ts';
import { type BenchOptions, type BenchTable, readCount } from './bench.ts';
import type { MetricCase, MetricResult } from './metrics-case.ts';

const execute = promisify(execFile);
const CASE = fileURLToPath(new URL('./metrics-case.ts', import.meta.url));

const SIDE = 512;
const [PICTURES, PICTURES_LONG] = [2, 100];

export const options = {
  pictures: { value: 'N', about: `by each metric (default ${PICTURES}, with --long ${PICTURES_LONG})` },
} as const;

type Shapes = Iterable<readonly [string, readonly number[]]>;

/** Of the published files that have to be brought. Absent: the same network as one of these, with other numbers. */
const TENSORS: Partial<Record<MetricId, () => Shapes | Promise<Shapes>>> = {
  lpips: () => lpips('alex').weights,
  dists: () => dists().weights,
  maniqa: () => published('maniqa', /PIPAL/),
  musiq: () => published('musiq', /koniq/),
  clipiqa: () => published('clipiqa', /RN50/),
  fid: () => published('fid', /inception/),
};
/** It takes so many crops of each picture through its network, hours for a hundred: it gets a share of the pictures. */
const CROPS: Partial<Record<MetricId, number>> = { maniqa: 20 };

/** The metrics, each in a process of its own; networks that must be brought in their published size, with random weights. */
export async function run({ long, values }: BenchOptions<typeof options>): Promise<BenchTable[]> {
  const pictures = readCount('pictures', values.pictures, long ? PICTURES_LONG : PICTURES);
  const directory = await mkdtemp(join(tmpdir(), 'seesr-bench-'));
  try {
    const rows: BenchTable['rows'] = [];
    for (const metric of METRICS) {
      const tensors = TENSORS[metric.id];
      if ('needs' in metric && !tensors) continue;
      const files = tensors ? [join(directory, `${metric.id}.safetensors`)] : [];
      for (const file of files) await writeRandomTensors(file, await tensors!());
      const count = Math.max(1, Math.round(pictures / (CROPS[metric.id] ?? 1)));
      rows.push({ metric: metric.label, ...(await rowOf({ metric: metric.id, files, pictures: count, side: SIDE })) });
      for (const file of files) await rm(file);
    }
    const note =
      'A result and its truth each time; of a metric that looks at sets with the comparison at the end. MANIQA-KonIQ and CLIPIQA+ are ' +
      'the networks of MANIQA and CLIPIQA. MANIQA gets a twentieth of the pictures. ' +
      'CPU seconds are those of all cores; where they are far below the seconds, the machine was busy with other work. 100 pictures: ' +
      'the time of one a hundred times, where fewer were measured.';
    return [{ title: `Metrics of pictures of ${SIDE}×${SIDE} on the CPU`, rows, note }];
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function rowOf(given: MetricCase): Promise<BenchTable['rows'][number]> {
  const { stdout } = await execute(process.execPath, [CASE, JSON.stringify(given)]);
  const { openSeconds, seconds, cpuSeconds, endSeconds, peakBytes } = JSON.parse(stdout) as MetricResult;
  const sizes = await Promise.all(given.files.map(async (file) => (await stat(file)).size));
  const mean = meanOf(seconds);
  return {
    pictures: given.pictures,
    'weights (MB)': Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1e6),
    'open (s)': round(openSeconds),
    'a picture (s)': round(mean),
    'a picture (CPU s)': round(meanOf(cpuSeconds)),
    '100 pictures (s)': round(openSeconds + 100 * mean + endSeconds),
    'peak RSS (MB)': Math.round(peakBytes / 1e6),
  };
}

async function published(place: string, file: RegExp): Promise<Shapes> {
  return Object.entries(await publishedTensors(place, file));
}

const meanOf = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;
const round = (value: number) => Number(value.toPrecision(3));
