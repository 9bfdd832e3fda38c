import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchOptions, BenchTable } from './bench.ts';
import { raceTraining } from './peers/training-race.ts';
import { measureTraining } from './training-process.ts';

/** Each figure is a ratio in one run. The long form takes ten minutes on an idle machine, 6 GB for PyTorch once. */
export async function run({ long }: BenchOptions): Promise<BenchTable[]> {
  console.log('speed');
  const speed = await raceTraining(32, long ? 3 : 2, long ? 2 : 1);
  console.log('memory');
  return [speed, await memoryTable(long ? 5 : 3)];
}

/** So small a network on so large a picture that activations are most of the memory. */
const DAPE = { width: 64, side: 768, tagCount: 256 };
const MEMORY_NOTE = `DAPE of a third of the published width on a picture of twice the side, random weights: forward, back, AdamW. The peak is that of the whole process: a process for each row, Node, weights, constants and the opening of the network among it.`;

/** \`steps\`: of the longest run, from 2 on. */
async function memoryTable(steps: number): Promise<BenchTable> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-training-'));
  try {
    const cases = [
      { way: 'all kept', steps: 1, recomputes: false },
      { way: 'computed again (--memory)', steps: 1, recomputes: true },
      { way: 'computed again (--memory)', steps: steps - 1, recomputes: true },
    ];
    const rows: BenchTable['rows'] = [];
    let first: { seconds: number; cpuSeconds: number; peakBytes: number } | undefined;
    for (const { way, ...given } of cases) {
      const cost = await measureTraining('dape', { directory, ...DAPE, ...given });
      first ??= cost;
      rows.push({
        way,
        steps: given.steps + 1,
        'peak RSS (GB)': round(cost.peakBytes / 1e9),
        'share of the first peak': round(cost.peakBytes / first.peakBytes),
        'step (s)': round(cost.seconds),
        'step (CPU s)': round(cost.cpuSeconds),
        'times the first CPU s': round(cost.cpuSeconds / first.cpuSeconds),
      });
    }
    return { title: 'Memory of training', rows, note: MEMORY_NOTE };
  } finally {
    await rm(directory, { recursive: true });
  }
}

const round = (value: number) => Number(value.toPrecision(3));
