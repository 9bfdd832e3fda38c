import { setTimeout as sleep } from 'node:timers/promises';
import { isDatabaseLocked } from '../../store-error.ts';

/** A backup or a statement of an operator is over by then; a client would rather come again than wait for longer. */
const PATIENCE_MILLISECONDS = 3_000;
const FIRST_PAUSE_MILLISECONDS = 2;
const MAX_PAUSE_MILLISECONDS = 50;

/**
 * Repeats `work`, of which nothing happens while the database is locked, until it is not or the patience is over; then
 * it throws the error of SQLite. SQLite can wait by itself, but blocks the thread: the whole service would stand still,
 * reads too, which no lock hinders, and once more for every request that writes.
 */
export async function outwaitLock<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  const deadline = performance.now() + PATIENCE_MILLISECONDS;
  for (let pause = FIRST_PAUSE_MILLISECONDS; ; pause = Math.min(2 * pause, MAX_PAUSE_MILLISECONDS)) {
    try {
      return await work();
    } catch (error) {
      if (!isDatabaseLocked(error) || performance.now() >= deadline) throw error;
    }
    // At random, so that waiting callers do not meet again and again.
    await sleep(pause * (0.5 + Math.random()));
  }
}

type Verb = (...values: never[]) => Promise<unknown>;

/** Each verb, of which each is one transaction, outwaits a lock. */
export function outwaitingLocks<Verbs extends { [Name in keyof Verbs]: Verb }>(verbs: Verbs): Verbs {
  const patient = Object.entries<Verb>(verbs).map(([name, verb]) => {
    return [name, (...values: never[]) => outwaitLock(() => verb(...values))];
  });
  return Object.fromEntries(patient);
}
