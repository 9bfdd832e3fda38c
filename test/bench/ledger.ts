import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runLedger } from '../support/ledger-run.ts';
import { type BenchOptions, type BenchTable, readSeed, SEED } from './bench.ts';

const SHORT = { interleavings: 1_400, killedInterleavings: 600, kills: 6 };
const LONG = { interleavings: 7_000, killedInterleavings: 3_000, kills: 30 };
const MOST_FAULTS = 20;

export const options = { seed: SEED } as const;

/**
 * Jobs whose steps come in any order, doubled, and are cut off by kill -9: 2,000, or 10,000 in the long form. Exit code
 * 1 if any money is wrong.
 */
export async function run({ long, values }: BenchOptions<typeof options>): Promise<BenchTable[]> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-ledger-'));
  const seed = readSeed(values.seed);
  try {
    const report = await runLedger({ directory, seed, reopenEvery: 50, ...(long ? LONG : SHORT) });
    const { faults, ends, ...numbers } = report;
    if (faults.length > 0) process.exitCode = 1;
    return [
      {
        title: 'Interleavings, and the faults afterwards',
        rows: [{ seed, ...numbers, faults: faults.length }],
        note: faults.slice(0, MOST_FAULTS).join(' · ') || 'Every micro-unit is where it belongs.',
      },
      { title: 'How the jobs ended', rows: [ends] },
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
