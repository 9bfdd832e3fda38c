import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Refusal } from './chaos-hook.ts';
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
  'lease lost while the worker lives (SIGSTOP, time)',
  'no handles (RLIMIT_NOFILE, EMFILE)',
  'disk full (ENOSPC)',
  'no rights (EACCES)',
  'no memory for calls (ENOMEM)',
  'device broken (EIO)',
  'commit refused (SQLite: I/O, full, no memory, read-only)',
  'no new process (fork: EAGAIN)',
  'log not written (EPIPE, ENOSPC)',
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
/** More than lease and visibility, less than the validity of a signed URL. */
const PAST_LEASE_MILLISECONDS = 120_000;
/** Bytes that a file may have: nothing at all, less than a page, less than the database's log, less than a photo. */
const FULL_LIMITS_BYTES = [0, 2_000, 60_000, 400_000];
/** No memory, read-only, error of the device, full, cannot be opened. */
const SQLITE_REFUSALS = [7, 8, 10, 13, 14];
const MANY_HANDLES = 1024;
const run = promisify(execFile);

/** Does a fault and undoes it where that is possible. False: there was nothing that it could happen to. */
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
      return await wrongClock(processes, between(HOUR, 4 * HOUR), between(500, 2_500));
    case 'clock back (1 to 10 min)':
      return await wrongClock(processes, -between(MINUTE, 10 * MINUTE), between(500, 2_500));
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
    case 'lease lost while the worker lives (SIGSTOP, time)':
      return await stopped(either(), async () => {
        await sleep(200);
        passTime(processes, PAST_LEASE_MILLISECONDS);
        await sleep(between(800, 2_000)); // the other takes the job meanwhile
      });
    case 'no handles (RLIMIT_NOFILE, EMFILE)': {
      await limitHandles(processes, Math.floor(between(0, 4)), between(500, 2_500));
      return true;
    }
    case 'disk full (ENOSPC)':
      return await refuse(processes, [{ of: 'file', code: 'ENOSPC' }], between(500, 2_500));
    case 'no rights (EACCES)':
      return await refuse(processes, [{ of: 'file', code: 'EACCES' }], between(500, 2_500));
    case 'no memory for calls (ENOMEM)':
      return await refuse(processes, [{ of: 'file', code: 'ENOMEM' }], between(500, 2_500));
    case 'device broken (EIO)':
      return await refuse(processes, [{ of: 'file', code: 'EIO' }], between(500, 2_500));
    case 'commit refused (SQLite: I/O, full, no memory, read-only)': {
      const errcode = SQLITE_REFUSALS[Math.floor(random() * SQLITE_REFUSALS.length)]!;
      return await refuse(processes, [{ of: 'commit', code: 'ERR_SQLITE_ERROR', errcode }], between(500, 2_500));
    }
    case 'no new process (fork: EAGAIN)': {
      const [child] = await childrenOf(either());
      const refusing = refuse(processes, [{ of: 'process', code: 'EAGAIN' }], between(1_000, 4_000));
      await sleep(100);
      if (child !== undefined) signal(child, 'SIGKILL');
      return await refusing;
    }
    case 'log not written (EPIPE, ENOSPC)': {
      const code = random() < 0.5 ? 'EPIPE' : 'ENOSPC';
      return await refuse(processes, [{ of: 'log', code }], between(500, 2_500));
    }
  }
}

/** For everybody, as when a machine has slept. */
export function passTime(processes: ChaosProcesses, milliseconds: number): void {
  const { sleptMilliseconds } = processes.control();
  processes.setControl({ sleptMilliseconds: Math.round(sleptMilliseconds + milliseconds) });
}

/** The clock is wrong for a while. */
async function wrongClock(processes: ChaosProcesses, by: number, milliseconds: number): Promise<true> {
  const move = (step: number) =>
    processes.setControl({ clockMilliseconds: processes.control().clockMilliseconds + Math.round(step) });
  move(by);
  await sleep(milliseconds);
  move(-Math.round(by));
  return true;
}

async function refuse(processes: ChaosProcesses, refusals: Refusal[], milliseconds: number): Promise<true> {
  processes.setControl({ refusals: [...processes.control().refusals, ...refusals] });
  await sleep(milliseconds);
  processes.setControl({ refusals: processes.control().refusals.filter((one) => !refusals.includes(one)) });
  return true;
}

/** Of service and worker: no more than they have, and `spare` others. */
async function limitHandles(processes: ChaosProcesses, spare: number, milliseconds: number): Promise<void> {
  for (const which of ['service', 'worker'] as const) {
    const pid = processes.pidOf(which);
    const open = await readdir(`/proc/${pid}/fd`).catch(() => []);
    await run('prlimit', ['--pid', String(pid), `--nofile=${open.length + spare}:`]).catch(() => {}); // killed meanwhile
  }
  await sleep(milliseconds);
  for (const which of ['service', 'worker'] as const) {
    await run('prlimit', ['--pid', String(processes.pidOf(which)), `--nofile=${MANY_HANDLES}:`]).catch(() => {});
  }
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
