import childProcess from 'node:child_process';
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * For `node --import`, in every process of a chaos run: its clocks, its disk and the resources of its machine are as
 * the file CHAOS_CONTROL says, which is looked at all the time. Timers keep their pace, as they do when the clock of a
 * machine is set.
 */
export interface ChaosControl {
  /** Added to the wall clock: it is wrong. */
  clockMilliseconds: number;
  /** Added to the wall clock and to the uptime of the machine: it slept. */
  sleptMilliseconds: number;
  /** The delay of each write, fsync and commit. */
  slowMilliseconds: number;
  /** The errors with which one call in so many ends. */
  refusals: Refusal[];
}

export interface Refusal {
  /** The refused operation: a call to the file system, a commit, a new process, a line of the log. */
  of: 'file' | 'commit' | 'process' | 'log';
  code: string;
  /** Of SQLite, for a commit. */
  errcode?: number;
}

const LOOK_EVERY_MILLISECONDS = 50;
const REFUSED_SHARE = 0.3;
const COMMIT = 'COMMIT';

const path = process.env.CHAOS_CONTROL!;
const { readFileSync } = fs;
const pauseCell = new Int32Array(new SharedArrayBuffer(4));
let control: ChaosControl = JSON.parse(readFileSync(path, 'utf8'));
let slowed = 0;
const refused: Record<string, number> = {};

function read(): ChaosControl {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return control; // there is no handle for it
  }
}

setInterval(() => {
  control = read();
  const isOver = control.slowMilliseconds === 0 && control.refusals.length === 0;
  if (!isOver || (slowed === 0 && Object.keys(refused).length === 0)) return;
  process.stderr.write(`${JSON.stringify({ event: 'chaos.felt', slowed, refused })}\n`);
  slowed = 0;
  for (const of of Object.keys(refused)) delete refused[of];
}, LOOK_EVERY_MILLISECONDS).unref();

const realNow = Date.now;
const realUptime = os.uptime;
Date.now = () => realNow() + control.clockMilliseconds + control.sleptMilliseconds;
os.uptime = () => realUptime() + control.sleptMilliseconds / 1000;
globalThis.Date = new Proxy(Date, {
  construct: (target, values, newTarget) =>
    Reflect.construct(target, values.length > 0 ? values : [Date.now()], newTarget),
});

/** The error that this call ends with, of one that happens now. */
function refusalOf(of: Refusal['of'], syscall: string): Error | undefined {
  const refusal = control.refusals.find((one) => one.of === of);
  if (!refusal || Math.random() >= REFUSED_SHARE) return undefined;
  const { code, errcode } = refusal;
  const kind = errcode === undefined ? code : `SQLite ${errcode}`;
  refused[kind] = (refused[kind] ?? 0) + 1;
  return Object.assign(new Error(`${code}: chaos, ${syscall}`), { code, syscall, ...(errcode && { errcode }) });
}

type Asynchronous = (...values: unknown[]) => Promise<unknown>;

function harm<Name extends string>(owner: Record<Name, unknown>, name: Name): void {
  const real = owner[name] as Asynchronous;
  owner[name] = async function (this: unknown, ...values: unknown[]) {
    if (control.slowMilliseconds > 0) {
      slowed++;
      await sleep(control.slowMilliseconds);
    }
    const refusal = refusalOf('file', name);
    if (refusal) throw refusal;
    return await real.apply(this, values);
  };
}

const handle = await promises.open(path);
const handles = Object.getPrototypeOf(handle);
await handle.close();
for (const name of ['writeFile', 'sync', 'read']) harm(handles, name);
for (const name of [
  'open',
  'link',
  'mkdir',
  'mkdtemp',
  'rename',
  'rm',
  'stat',
  'statfs',
  'readFile',
  'writeFile',
] as const) {
  harm(promises as unknown as Record<string, unknown>, name);
}

// Streams read and write with these.
function harmCallback(name: 'open' | 'read' | 'write'): void {
  const real = fs[name] as (...values: unknown[]) => void;
  Object.assign(fs, {
    [name]: (...values: unknown[]) => {
      const refusal = refusalOf('file', name);
      if (refusal) return process.nextTick(values.at(-1) as (error: Error) => void, refusal);
      if (control.slowMilliseconds === 0) return real(...values);
      slowed++;
      setTimeout(() => real(...values), control.slowMilliseconds);
    },
  });
}
for (const name of ['open', 'read', 'write'] as const) harmCallback(name);

const realFork = childProcess.fork as (...values: unknown[]) => unknown;
Object.assign(childProcess, {
  fork: (...values: unknown[]) => {
    const refusal = refusalOf('process', 'spawn');
    if (refusal) throw refusal;
    return realFork(...values);
  },
});
syncBuiltinESMExports();

// Its fsync blocks the thread, as it does on a real disk.
const realExec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function (sql) {
  if (sql === COMMIT && control.slowMilliseconds > 0) {
    slowed++;
    Atomics.wait(pauseCell, 0, 0, control.slowMilliseconds);
  }
  const refusal = sql === COMMIT && refusalOf('commit', sql);
  if (refusal) throw refusal;
  realExec.call(this, sql);
};

// As a pipe whose reader is gone, or a file on a full disk.
const stream = process.stderr as unknown as { _write: Write; _writev: unknown };
type Write = (chunk: unknown, encoding: unknown, done: (error?: Error) => void) => void;
const realWriteLine = stream._write;
stream._write = function (chunk, encoding, done) {
  const refusal = refusalOf('log', 'write');
  if (refusal) done(refusal);
  else realWriteLine.call(this, chunk, encoding, done);
};
stream._writev = undefined;
