import { AppError } from './error.ts';

/**
 * A token bucket as one number: it holds `quota` and fills up again in `window_seconds`, steadily. Kept is when it will be
 * full (GCRA), in microseconds since 1970: adding to that number takes tokens, so that several processes can take from
 * one bucket without waiting for one another.
 */

export interface Rate {
  quota: number;
  window_seconds: number;
}

export interface Level {
  policy: string;
  /** How many are left, after this one. */
  remaining: number;
  /** Until the bucket is full, or where none is left, until there is one: whole seconds, rounded up. */
  seconds: number;
}

interface Taken {
  /** Added to the number, or to `now` where the bucket was full. */
  added: number;
  fullAt: number;
  level: Level;
}

/** Pure. `fullAt`: as kept; absent: full. `now`: milliseconds. Throws `quota-exceeded` with Retry-After. */
export function takeTokens(
  policy: string,
  rate: Rate,
  { fullAt, now, count }: { fullAt: number | undefined; now: number; count: number },
): Taken {
  const each = microsecondsEach(rate);
  const time = now * 1000;
  const before = heldUntil(rate, fullAt, now);
  const added = count * each;
  const after = before + added;
  const excess = after - (time + rate.quota * each);
  if (excess > 0) throw exceeded(policy, rate, count > rate.quota ? undefined : toSeconds(excess));
  const remaining = Math.floor((rate.quota * each - (after - time)) / each);
  const seconds = toSeconds(remaining > 0 ? after - time : after - time - (rate.quota - 1) * each);
  return { added, fullAt: after, level: { policy, remaining, seconds } };
}

/** At most so far a bucket may be for `count` to be taken at `now`. */
export function latestFor(rate: Rate, now: number, count: number): number {
  return now * 1000 + (rate.quota - count) * microsecondsEach(rate);
}

/** When the bucket was or will be full; `now` at the earliest. A clock that went back fills nothing. */
export function heldUntil(rate: Rate, fullAt: number | undefined, now: number): number {
  const time = now * 1000;
  return Math.min(Math.max(fullAt ?? time, time), time + rate.quota * microsecondsEach(rate));
}

/** Of a bucket that outlives processes: the number of a clock that ran far ahead would keep it empty for that long. */
export function credible(rate: Rate, fullAt: number | undefined, now: number): number | undefined {
  const latest = now * 1000 + 2 * rate.quota * microsecondsEach(rate);
  return fullAt !== undefined && fullAt > latest ? undefined : fullAt;
}

/** Whole, so that sums are exact wherever they are made. */
export function microsecondsEach({ quota, window_seconds }: Rate): number {
  return Math.max(1, Math.round((window_seconds * 1e6) / quota));
}

/** Value of RateLimit. */
export function describeLevels(levels: readonly Level[]): string {
  return levels.map(({ policy, remaining, seconds }) => `"${policy}";r=${remaining};t=${seconds}`).join(', ');
}

/** `seconds`: until it can be had; absent where it never can. */
function exceeded(policy: string, { quota, window_seconds }: Rate, seconds: number | undefined): AppError {
  const wait = Math.max(1, seconds ?? window_seconds);
  return new AppError('quota-exceeded', `The policy "${policy}" allows ${quota} in ${window_seconds} s.`, {
    violatedPolicies: [policy],
    headers: { 'Retry-After': String(wait), RateLimit: describeLevels([{ policy, remaining: 0, seconds: wait }]) },
  });
}

function toSeconds(microseconds: number): number {
  return Math.ceil(microseconds / 1e6);
}
