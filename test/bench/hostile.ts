import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { usageError } from '../../shared/adapters/node/command.ts';
import { type BenchOptions, type BenchTable, readCount, readSeed, SEED } from './bench.ts';
import { mutatedFiles, publishedFiles } from './hostile-files.ts';
import { type Ending, type HostileFile, type HostileReport, runHostile } from './hostile-run.ts';
import { type Reading, readHostileWeights } from './hostile-weights.ts';

const FILES = 500;
const FILES_LONG = 10_000;
const WEIGHTS = 2_000;
const WEIGHTS_LONG = 100_000;
const SLOWEST = 10;
const SHOWN_FAULTS = 20;
/** Of processors, for one weight file. */
const MAX_WEIGHTS_MILLISECONDS = 1_000;
/** So few that a file which claims more, and keeps its word, takes no minutes. */
const MAX_INPUT_PIXELS = { short: 2 ** 18, long: 2 ** 21 };

interface Settings {
  long: boolean;
  files: number;
  seed: number;
}

const PARTS: Record<string, (settings: Settings) => Promise<BenchTable[]>> = {
  mutated: async ({ long, files, seed }) => {
    const hostile = await mutatedFiles({ seed, count: files, large: long });
    const { report, summary } = await send('Mutated files through the real upload path', hostile, { long, seed });
    return [
      summary,
      { title: 'Mutated files: outcomes of each format', rows: countBy(report.endings, 'format') },
      { title: 'Mutated files: outcomes of each mutation', rows: countBy(report.endings, 'kind') },
      slowest('Mutated files', report.endings),
      shapesTable(report),
    ];
  },
  published: async ({ seed }) => {
    const title = 'Published files (those of the tests of Pillow 12.0.0) through the real upload path';
    let files: Iterable<HostileFile>;
    try {
      files = await publishedFiles();
    } catch (error) {
      console.log(`hostile: ${(error as Error).message}`);
      return [{ title, rows: [{ files: 0, 'not sent': 'the archive could not be fetched from PyPI' }] }];
    }
    const { report, summary } = await send(title, files, { long: true, seed });
    return [
      summary,
      { title: 'Published files: outcomes of each kind', rows: countBy(report.endings, 'kind') },
      slowest('Published files', report.endings),
    ];
  },
  weights: async ({ long, seed }) => {
    const readings = await inDirectory(async (directory) => {
      const report = await readHostileWeights(directory, seed, long ? WEIGHTS_LONG : WEIGHTS);
      const slow = report.readings.filter(({ milliseconds }) => milliseconds > MAX_WEIGHTS_MILLISECONDS);
      const faults = [...report.faults, ...slow.map(({ mutation }) => `One took more than a second (${mutation}).`)];
      if (faults.length > 0) process.exitCode = 1;
      return { of: report.readings, faults };
    });
    return [weightsSummary(readings.of, readings.faults, seed), weightsTable(readings.of)];
  },
};
const SHORT_PARTS = ['mutated', 'weights'];

export const options = {
  files: { value: 'N', about: `how many mutated pictures (default ${FILES}, with --long ${FILES_LONG})` },
  seed: SEED,
  part: { value: 'NAME', about: `one of ${Object.keys(PARTS).join(', ')}` },
} as const;

/** Exit code 1 if anything broke, or was left, or cost. */
export async function run({ long, values }: BenchOptions<typeof options>): Promise<BenchTable[]> {
  const files = readCount('files', values.files, long ? FILES_LONG : FILES);
  const seed = readSeed(values.seed);
  const parts = values.part ? [values.part] : long ? Object.keys(PARTS) : SHORT_PARTS;
  const tables: BenchTable[] = [];
  for (const part of parts) {
    const measure = PARTS[part];
    if (!measure) throw usageError(`--part ${part}: it is ${options.part.about}.`);
    console.log(`hostile: ${part}`);
    tables.push(...(await measure({ long, files, seed })));
  }
  return tables;
}

/** To a service of its own, with a summary of its cost. */
async function send(title: string, files: Iterable<HostileFile>, { long, seed }: { long: boolean; seed: number }) {
  const started = performance.now();
  const maxInputPixels = MAX_INPUT_PIXELS[long ? 'long' : 'short'];
  const report = await inDirectory((directory) => runHostile({ directory, seed, files, maxInputPixels }));
  if (report.faults.length > 0) process.exitCode = 1;
  return { report, summary: summarize(title, report, { seed, seconds: secondsSince(started) }) };
}

async function inDirectory<Result>(use: (directory: string) => Promise<Result>): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-hostile-'));
  try {
    return await use(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function summarize(title: string, report: HostileReport, facts: { seed: number; seconds: number }): BenchTable {
  const { endings, peaks, faults } = report;
  const { service, child, children } = peaks;
  const row = { files: endings.length, ...facts, 'service MB': service, 'child MB': child, children };
  return {
    title,
    rows: [{ ...row, faults: faults.length }],
    note:
      faults.length === 0 ? 'Nothing broke, nothing was left, no failure was charged.' : faults.slice(0, 20).join(' '),
  };
}

function slowest(what: string, endings: Ending[]): BenchTable {
  const first = endings.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST);
  return {
    title: `${what}: the slowest`,
    rows: first.map(({ index, format, kind, outcome, seconds }) => ({ index, format, kind, outcome, seconds })),
    note: 'Of the long form: photos that are still sound; the seconds go into results of up to 28 megapixels, not into decoding.',
  };
}

/** How many of each kind had which outcome; the same columns in each row. */
function countBy(endings: Ending[], key: 'format' | 'kind'): BenchTable['rows'] {
  const outcomes = [...new Set(endings.map(({ outcome }) => outcome))].sort();
  const names = new Set(endings.map((ending) => ending[key]));
  return [...names].sort().map((name) => {
    const of = endings.filter((ending) => ending[key] === name);
    const counts = outcomes.map((outcome) => [outcome, of.filter((ending) => ending.outcome === outcome).length]);
    return { [key]: name, files: of.length, ...Object.fromEntries(counts) };
  });
}

function shapesTable({ shapes }: HostileReport): BenchTable {
  const rows = [...Map.groupBy(shapes, ({ group }) => group)].map(([group, of]) => {
    const counts = [...Map.groupBy(of, ({ answer }) => answer)].map(([answer, { length }]) => ({ answer, length }));
    const answers = counts.toSorted(
      (one, other) => other.length - one.length || one.answer.localeCompare(other.answer),
    );
    return {
      group,
      count: of.length,
      answers: answers.map(({ answer, length }) => `${length} × ${answer}`).join(', '),
      unexpected: of.filter(({ fault }) => fault !== undefined).length,
    };
  });
  return {
    title: 'Hostile HTTP, while the mutated files were sent',
    rows,
    note: 'Requests: each shape once, over a socket; every one has exactly one answer, then the end of the connection. One letter a second: clients that never finish; others notice nothing.',
  };
}

function weightsSummary(readings: Reading[], faults: string[], seed: number): BenchTable {
  return {
    title: 'Mutated weight files, each opened and all of its tensors read',
    rows: [{ files: readings.length, seed, ...extremes(readings), faults: faults.length }],
    note:
      faults.slice(0, SHOWN_FAULTS).join(' ') ||
      'Each gave its own tensors bit for bit, or tensors of numbers that stand in the file, or was refused with a reason; nothing that a pickle names was called. Allocated: the most of one file, at most 4 MiB + 600 × its bytes.',
  };
}

function weightsTable(readings: Reading[]): BenchTable {
  const groups = Map.groupBy(readings, ({ format, mutation }) => `${format}, ${mutation}`);
  const rows = [...groups].map(([name, of]) => {
    const count = (outcome: Reading['outcome']) => of.filter((reading) => reading.outcome === outcome).length;
    const outcomes = { 'the same tensors': count('same'), 'other tensors': count('other'), refused: count('refused') };
    return { mutation: name, files: of.length, expected: of[0]!.expected, ...outcomes, ...extremes(of) };
  });
  return { title: 'Mutated weight files: outcomes of each mutation', rows };
}

function extremes(readings: Reading[]) {
  const most = (values: number[]) => values.reduce((one, other) => Math.max(one, other), 0);
  return {
    'most CPU ms': Math.round(most(readings.map(({ milliseconds }) => milliseconds))),
    'most MB allocated': Number((most(readings.map(({ allocatedBytes }) => allocatedBytes)) / 1e6).toFixed(1)),
  };
}

function secondsSince(started: number): number {
  return Math.round((performance.now() - started) / 1000);
}
