import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * For `node --import`, in every process of a chaos run: its wall clock and its disk are as the file CHAOS_CONTROL says,
 * which is looked at all the time. Timers keep their pace, as they do when the clock of a machine is set.
 */
export interface ChaosControl {
  /** Added to the wall clock. */
  clockMilliseconds: number;
  /** What each write, fsync and commit takes longer. */
  slowMilliseconds: number;
}

const LOOK_EVERY_MILLISECONDS = 50;
const COMMIT = 'COMMIT';

const path = process.env.CHAOS_CONTROL!;
const { readFileSync } = fs;
const pauseCell = new Int32Array(new SharedArrayBuffer(4));
let control = read();
let slowed = 0;

function read(): ChaosControl {
  return JSON.parse(readFileSync(path, 'utf8'));
}

setInterval(() => {
  control = read();
  if (control.slowMilliseconds > 0 || slowed === 0) return;
  process.stderr.write(`${JSON.stringify({ event: 'chaos.slowed', operations: slowed })}\n`);
  slowed = 0;
}, LOOK_EVERY_MILLISECONDS).unref();

const realNow = Date.now;
Date.now = () => realNow() + control.clockMilliseconds;
globalThis.Date = new Proxy(Date, {
  construct: (target, values, newTarget) =>
    Reflect.construct(target, values.length > 0 ? values : [Date.now()], newTarget),
});

type Asynchronous = (...values: unknown[]) => Promise<unknown>;

function slowDown<Name extends string>(owner: Record<Name, unknown>, name: Name): void {
  const real = owner[name] as Asynchronous;
  owner[name] = async function (this: unknown, ...values: unknown[]) {
    if (control.slowMilliseconds > 0) {
      slowed++;
      await sleep(control.slowMilliseconds);
    }
    return await real.apply(this, values);
  };
}

const handle = await promises.open(path);
const handles = Object.getPrototypeOf(handle);
await handle.close();
for (const name of ['writeFile', 'sync']) slowDown(handles, name);
for (const name of ['link', 'mkdir', 'rm'] as const) slowDown(promises as unknown as Record<string, unknown>, name);

// What streams write with.
const realWrite = fs.write as (...values: unknown[]) => void;
Object.assign(fs, {
  write: (...values: unknown[]) => {
    if (control.slowMilliseconds === 0) return realWrite(...values);
    slowed++;
    setTimeout(() => realWrite(...values), control.slowMilliseconds);
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
  realExec.call(this, sql);
};
