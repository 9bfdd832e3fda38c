import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type HostileReport, runHostile } from './hostile-run.ts';

const FILES = 500;
const FILES_LONG = 10_000;
const SLOWEST = 10;

/** `npm run bench -- hostile [--long] [--files N] [--seed N]`: exit code 1 if anything broke, or was left, or cost. */
export async function run(): Promise<void> {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: { long: { type: 'boolean', default: false }, files: { type: 'string' }, seed: { type: 'string' } },
  });
  const files = Number(values.files ?? (values.long ? FILES_LONG : FILES));
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  const directory = await mkdtemp(join(tmpdir(), 'seesr-hostile-'));
  const started = performance.now();
  try {
    const report = await runHostile({ directory, seed, files, large: values.long });
    print(report);
    console.table([{ seed, files, ...report.peaks, seconds: Math.round((performance.now() - started) / 1000) }]);
    const { faults } = report;
    console.log(
      faults.length === 0 ? 'nothing broke, nothing was left, no failure was charged' : faults.slice(0, 20).join('\n'),
    );
    if (faults.length > 0) process.exitCode = 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function print({ endings }: HostileReport): void {
  console.table(countBy(endings, ({ format }) => format));
  console.table(countBy(endings, ({ mutation }) => mutation));
  const slowest = endings.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST);
  console.table(slowest);
}

type Ending = HostileReport['endings'][number];

/** How many of each kind had which outcome. */
function countBy(endings: Ending[], kindOf: (ending: Ending) => string): Record<string, Record<string, number>> {
  const counts: Record<string, Record<string, number>> = {};
  for (const ending of endings) {
    counts[kindOf(ending)] ??= {};
    const row = counts[kindOf(ending)]!;
    row[ending.outcome] = (row[ending.outcome] ?? 0) + 1;
  }
  return counts;
}
