import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Bench, BenchTable } from './bench.ts';
import { type HostileReport, runHostile } from './hostile-run.ts';

const FILES = 500;
const FILES_LONG = 10_000;
const SLOWEST = 10;

/** `npm run bench -- hostile [--long] [--files N] [--seed N]`: exit code 1 if anything broke, or was left, or cost. */
export const run: Bench = async ({ long, arguments: args }) => {
  const { values } = parseArgs({
    args,
    strict: false,
    options: { files: { type: 'string' }, seed: { type: 'string' } },
  });
  const files = Number(values.files ?? (long ? FILES_LONG : FILES));
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  const directory = await mkdtemp(join(tmpdir(), 'seesr-hostile-'));
  const started = performance.now();
  try {
    const report = await runHostile({ directory, seed, files, large: long });
    const seconds = Math.round((performance.now() - started) / 1000);
    if (report.faults.length > 0) process.exitCode = 1;
    return tablesOf(report, { seed, files, seconds });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

function tablesOf({ endings, peaks, faults }: HostileReport, facts: Record<string, number>): BenchTable[] {
  const slowest = endings.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST);
  return [
    {
      title: 'Mutated files through the real upload path, and hostile HTTP beside them',
      rows: [
        {
          ...facts,
          'service MB': peaks.service,
          'child MB': peaks.child,
          children: peaks.children,
          faults: faults.length,
        },
      ],
      note:
        faults.length === 0
          ? 'Nothing broke, nothing was left, no failure was charged.'
          : faults.slice(0, 20).join(' '),
    },
    { title: 'Outcomes of each format', rows: countBy(endings, 'format') },
    { title: 'Outcomes of each mutation', rows: countBy(endings, 'mutation') },
    {
      title: 'The slowest files',
      rows: slowest.map(({ index, format, mutation, outcome, seconds }) => ({
        index,
        format,
        mutation,
        outcome,
        seconds,
      })),
      note: 'Of the long form: photos that are still sound; the seconds go into results of up to 28 megapixels, not into decoding.',
    },
  ];
}

type Ending = HostileReport['endings'][number];

/** How many of each kind had which outcome; the same columns in each row. */
function countBy(endings: Ending[], kind: 'format' | 'mutation'): BenchTable['rows'] {
  const outcomes = [...new Set(endings.map(({ outcome }) => outcome))].sort();
  return [...new Set(endings.map((ending) => ending[kind]))].map((name) => {
    const of = endings.filter((ending) => ending[kind] === name);
    const counts = outcomes.map((outcome) => [outcome, of.filter((ending) => ending.outcome === outcome).length]);
    return { [kind]: name, ...Object.fromEntries(counts) };
  });
}
