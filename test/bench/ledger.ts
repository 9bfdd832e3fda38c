import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runLedger } from '../support/ledger-run.ts';

/** 10,000 jobs whose steps come in any order, doubled, and are cut off by kill -9. Exit code 1 if any money is wrong. */
export async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'seesr-ledger-'));
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
  const started = performance.now();
  try {
    const report = await runLedger({
      directory,
      seed,
      interleavings: 7_000,
      reopenEvery: 50,
      killedInterleavings: 3_000,
      kills: 30,
    });
    const { faults, ends, ...numbers } = report;
    console.table([{ seed, ...numbers, seconds: Math.round((performance.now() - started) / 1000) }]);
    console.table([ends]);
    console.log(faults.length === 0 ? 'every micro-unit is where it belongs' : faults.slice(0, 20).join('\n'));
    if (faults.length > 0) process.exitCode = 1;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
