import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { install, run as runCommand } from '../support/aws-servers.ts';
import { expectedOf, flatten, measureCase, type SemanticCase } from '../support/semantic-cases.ts';
import { type BenchOptions, type BenchTable, readSeed, SEED } from './bench.ts';

const ORACLE = ['numpy==2.3.4', 'pycocotools==2.0.11'];
const SCRIPT = fileURLToPath(new URL('../fixtures/semantic/make_expected.py', import.meta.url));
const MAX_OUTPUT_BYTES = 512 * 1024 * 1024;
/** Doubles on both sides; sums in another order. */
const TOLERANCE = 1e-9;

export const options = { seed: SEED } as const;

/** Fresh toy cases, measured here and by pycocotools and NumPy (from PyPI). */
export async function run({ long, values }: BenchOptions<typeof options>): Promise<BenchTable[]> {
  const packages = await install('semantic-oracle-2.0.11', (folder) => {
    const options = ['--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore', '--no-deps'];
    return runCommand('python3', ['-m', 'pip', 'install', ...options, '--target', folder, ...ORACLE]);
  });
  const seed = String(readSeed(values.seed));
  const environment = { env: { ...process.env, PYTHONPATH: packages }, maxBuffer: MAX_OUTPUT_BYTES };
  console.error(`seed ${seed}`);
  const { stdout } = await promisify(execFile)('python3', [SCRIPT, seed, long ? '40' : '10'], environment);
  const { cases } = JSON.parse(stdout) as { cases: SemanticCase[] };
  const folder = await mkdtemp(join(tmpdir(), 'seesr-semantic-'));
  const write = async (name: string, value: object) => {
    await writeFile(join(folder, name), JSON.stringify(value));
    return join(folder, name);
  };
  const tallies = new Map<string, { numbers: number; largest: number }>();
  try {
    for (const one of cases) {
      const [found, expected] = [flatten(await measureCase(one, write)), flatten(expectedOf(one))];
      for (const [path, value] of expected) {
        const kind = path.split('.')[1]!;
        const tally = tallies.get(kind) ?? { numbers: 0, largest: 0 };
        tallies.set(kind, tally);
        const own = found.get(path);
        // Null on one side only, or no such number, is as wrong as can be.
        const difference = value === null || own == null ? Number(own !== value) : Math.abs(own - value);
        tally.numbers++;
        tally.largest = Math.max(tally.largest, difference);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const rows = [...tallies].map(([kind, { numbers, largest }]) => {
    if (largest > TOLERANCE) process.exitCode = 1;
    return { measure: kind, 'numbers compared': numbers, 'largest difference': largest.toExponential(1) };
  });
  const note = `Seed ${seed}. Oracles: ${ORACLE.join(', ')}; PQ and mIoU written in NumPy. More than ${TOLERANCE} is a failure.`;
  return [{ title: `${cases.length} random cases against other programs`, rows, note }];
}
