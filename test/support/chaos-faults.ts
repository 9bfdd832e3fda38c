import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type ChaosProcesses, childrenOf, signal } from './chaos-processes.ts';

/** The faults that are done to the processes; the network's are done by the client (chaos-client.ts). */
export const FAULTS = [
  'kill -9 of the service',
  'kill -9 of an inference child',
  'kill -9 of the second worker',
  'clock forward (1 to 4 h)',
  'clock back (1 to 10 min)',
  'disk full (RLIMIT_FSIZE)',
  'slow disk (40 to 250 ms an operation)',
  'database locked by another process',
  'process stopped (SIGSTOP)',
  'lease lost while the worker lives (SIGSTOP, clock)',
] as const;
export type Fault = (typeof FAULTS)[number];

interface FaultOptions {
  processes: ChaosProcesses;
  /** Uniform in 0..1. */
  random: () => number;
  /** The database stays locked so long, at the least and at the most: longer than SQLite waits, or not. */
  lockMilliseconds: readonly [number, number];
}

const HOUR = 3_600_000;
const MINUTE = 60_000;
/** More than lease and visibility, less than what a signed URL is valid for. */
const PAST_LEASE_MILLISECONDS = 120_000;
/** Bytes that a file may have: nothing at all, less than a page, less than the database's log, less than a photo. */
const FULL_LIMITS_BYTES = [0, 2_000, 60_000, 400_000];
const run = promisify(execFile);

/** Does a fault and undoes what can be undone. False: there was nothing that it could happen to. */
export async function inject(fault: Fault, options: FaultOptions): Promise<boolean> {
  const { processes, random } = options;
  const between = (least: number, most: number) => least + random() * (most - least);
  const either = () => processes.pidOf(random() < 0.5 ? 'service' : 'worker');
  switch (fault) {
    case 'kill -9 of the service':
      await processes.replaceService();
      return true;
    case 'kill -9 of the second worker':
      await processes.replaceWorker();
      return true;
    case 'kill -9 of an inference child': {
      const [child] = await childrenOf(either());
      return child !== undefined && signal(child, 'SIGKILL');
    }
    case 'clock forward (1 to 4 h)':
      moveClock(processes, between(HOUR, 4 * HOUR));
      return true;
    case 'clock back (1 to 10 min)':
      moveClock(processes, -between(MINUTE, 10 * MINUTE));
      return true;
    case 'disk full (RLIMIT_FSIZE)': {
      await limitFiles(processes, String(FULL_LIMITS_BYTES[Math.floor(random() * FULL_LIMITS_BYTES.length)]));
      await sleep(between(500, 2_500));
      await limitFiles(processes, 'unlimited');
      return true;
    }
    case 'slow disk (40 to 250 ms an operation)':
      processes.setControl({ slowMilliseconds: between(40, 250) });
      await sleep(between(500, 2_500));
      processes.setControl({ slowMilliseconds: 0 });
      return true;
    case 'database locked by another process':
      return await lockDatabase(processes.directory, between(...options.lockMilliseconds));
    case 'process stopped (SIGSTOP)':
      return await stopped(either(), () => sleep(between(300, 2_000)));
    case 'lease lost while the worker lives (SIGSTOP, clock)':
      return await stopped(either(), async () => {
        await sleep(200);
        moveClock(processes, PAST_LEASE_MILLISECONDS);
        await sleep(between(800, 2_000)); // the other takes the job meanwhile
      });
  }
}

export function moveClock(processes: ChaosProcesses, milliseconds: number): void {
  processes.setControl({ clockMilliseconds: Math.round(processes.clockMilliseconds() + milliseconds) });
}

/** Of the service, the worker and their inference children. Processes are told as they are told of a full disk. */
async function limitFiles(processes: ChaosProcesses, limit: string): Promise<void> {
  for (const which of ['service', 'worker'] as const) {
    const pid = processes.pidOf(which);
    for (const each of [pid, ...(await childrenOf(pid))]) {
      await run('prlimit', ['--pid', String(each), `--fsize=${limit}:`]).catch(() => {}); // killed meanwhile
    }
  }
}

async function lockDatabase(directory: string, milliseconds: number): Promise<boolean> {
  const database = new DatabaseSync(join(directory, 'state.sqlite'), { timeout: 500 });
  try {
    database.exec('BEGIN IMMEDIATE');
    await sleep(milliseconds);
    database.exec('ROLLBACK');
    return true;
  } catch {
    return false; // a commit of the service took too long
  } finally {
    database.close();
  }
}

/** The inference child goes on, as a network card or a GPU does. */
async function stopped(pid: number, wait: () => Promise<void>): Promise<boolean> {
  if (!signal(pid, 'SIGSTOP')) return false;
  await wait();
  return signal(pid, 'SIGCONT');
}
