import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import type { Log } from '../shared/log.ts';

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Whether things that are over by it may be erased. Not within an hour of a start of the machine: only its own clock
   * tells how long it was off.
   */
  isSettled(): boolean;
  /** For the next start. */
  record(): ClockRecord;
}

export interface ClockRecord {
  /** Milliseconds since 1970. */
  time: number;
  /** Seconds that the machine has run by then, asleep too. */
  uptime: number;
  /** Of this start of the machine; empty where the system does not tell. */
  boot: string;
}

interface ClockOptions {
  log: Log;
  /** Of the last process, if there was one. */
  last?: ClockRecord | undefined;
  /** Default: the machine. */
  machine?: {
    /** Milliseconds since 1970. */
    wall(): number;
    /** Seconds, steadily; perhaps not while it sleeps. */
    steady(): number;
    /** The same, asleep too. Asked only where the others do not agree. */
    uptime(): number;
    boot: string;
  };
}

/** A clock that is kept right is never moved by more at once. */
const STEP_MILLISECONDS = 10_000;
/** So long must a clock have stood before it is believed. */
const STAND_SECONDS = 60 * 60;

const MACHINE = { wall: () => Date.now(), steady: () => performance.now() / 1000, uptime };

/**
 * The clock of the machine, as far as it can be believed. Where it makes a step against the time that the machine has run, time goes on
 * as before the step, so that nothing is over too early or too late, until the clock has stood for an hour.
 */
export function createClock({ log, last, machine = { ...MACHINE, boot: bootOfMachine() } }: ClockOptions): Clock {
  let asleep = machine.uptime() - machine.steady();
  const hasRun = () => machine.steady() + asleep;
  // Uptime and steady time are read one after the other, with other work of the system between.
  const hasRunLonger = last !== undefined && last.uptime <= hasRun() + STEP_MILLISECONDS / 1000;
  const isSameBoot = hasRunLonger && last.boot !== '' && last.boot === machine.boot;
  const earliest = last?.time ?? 0;
  /** A time and when it was, from which the next one follows. */
  let known = isSameBoot ? last : { time: Math.max(machine.wall(), earliest), uptime: hasRun() };
  let step: { milliseconds: number; uptime: number } | undefined;
  /** Since when, in seconds of uptime; undefined: settled. */
  let unsettledSince = last === undefined || isSameBoot ? undefined : hasRun();
  if (unsettledSince !== undefined) log.info('clock.unsettled', { last: iso(earliest), clock: iso(machine.wall()) });

  function isSettled(): boolean {
    if (unsettledSince !== undefined && hasRun() - unsettledSince >= STAND_SECONDS) unsettledSince = undefined;
    return unsettledSince === undefined;
  }

  function follow(time: number): number {
    step = undefined;
    known = { time, uptime: hasRun() };
    return time;
  }

  const expected = () => Math.round(known.time + (hasRun() - known.uptime) * 1000);

  function now(): number {
    const wall = machine.wall();
    const isNear = () => Math.abs(wall - expected()) <= STEP_MILLISECONDS;
    if (!isNear()) asleep = machine.uptime() - machine.steady();
    if (isNear()) {
      if (step) log.info('clock.right', { seconds: Math.round(hasRun() - step.uptime) });
      return follow(wall);
    }
    const milliseconds = wall - expected();
    const fields = { seconds: Math.round(milliseconds / 1000), clock: iso(wall), kept: iso(expected()) };
    if (!step || Math.abs(milliseconds - step.milliseconds) > STEP_MILLISECONDS) {
      step = { milliseconds, uptime: hasRun() };
      log.warn('clock.stepped', fields);
    }
    if (!isSettled() && wall >= earliest) {
      unsettledSince = hasRun(); // one is as good as the other
      return follow(wall);
    }
    if (hasRun() - step.uptime < STAND_SECONDS) return expected();
    log.warn('clock.followed', fields);
    return follow(wall);
  }

  return { now, isSettled, record: () => ({ time: now(), uptime: hasRun(), boot: machine.boot }) };
}

function iso(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.valueOf()) ? String(time) : date.toISOString();
}

function bootOfMachine(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return ''; // not Linux
  }
}
