import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { interleave, openStorm, STORM_ACCOUNT, stormFaults } from './ledger-storm.ts';
import { createRandom } from './random.ts';

interface LedgerRun {
  directory: string;
  seed: number;
  /** In this process, whose database is closed and opened again after every `reopenEvery` of them. */
  interleavings: number;
  reopenEvery: number;
  /** In processes that are killed with SIGKILL, two at a time in the same directory. */
  killedInterleavings: number;
  kills: number;
}

const WRITER = fileURLToPath(new URL('./ledger-writer.ts', import.meta.url));

/** A storm of jobs on one account, and the faults afterwards, of which there ought to be none. */
export async function runLedger({
  directory,
  seed,
  interleavings,
  reopenEvery,
  killedInterleavings,
  kills,
}: LedgerRun) {
  const random = createRandom(seed);
  const faults: string[] = [];
  let done = 0;
  while (done < interleavings) {
    // Time goes on from one opening to the next, as the ids of jobs do.
    const { state, clock, database } = await openStorm(directory, Date.UTC(2026, 0, 1) + done * 3_600_000);
    for (let i = 0; i < reopenEvery && done < interleavings; i++, done++) await interleave({ state, clock, random });
    faults.push(...(done === interleavings ? await stormFaults(state) : []));
    database.close();
  }
  let killed = 0;
  for (let kill = 0; kill < kills; kill += 2) {
    const lines = Math.ceil(killedInterleavings / kills);
    const runs = [0, 1].map((which) =>
      writeUntilKilled(directory, seed + kill + which, lines + Math.floor(random() * 5)),
    );
    killed += (await Promise.all(runs)).reduce((sum, count) => sum + count, 0);
  }
  const { state, database } = await openStorm(directory, Date.now());
  faults.push(...(await stormFaults(state)));
  const { balance, entries, jobs } = await state.getStatement(STORM_ACCOUNT);
  database.close();
  const ends = Object.fromEntries(
    Map.groupBy(jobs, ({ status }) => status)
      .entries()
      .map(([status, of]) => [status, of.length]),
  );
  return {
    interleavings: done + killed,
    killed,
    kills,
    entries: entries.length,
    balance,
    jobs: jobs.length,
    ends,
    faults,
  };
}

/** Kills the writer after so many lines, in the middle of its work. Returns the lines. */
async function writeUntilKilled(directory: string, seed: number, lines: number): Promise<number> {
  const writer = spawn(process.execPath, [WRITER, directory, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(writer, 'exit');
  let count = 0;
  for await (const _line of createInterface(writer.stdout)) {
    if (++count === lines) writer.kill('SIGKILL');
  }
  const [code, signal] = await exited;
  if (signal !== 'SIGKILL') throw new Error(`The writer ended by itself with code ${code}.`);
  return count;
}
