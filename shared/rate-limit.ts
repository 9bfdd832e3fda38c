import { AppError } from './error.ts';
import { describePolicies, type ProcessPolicy, type RateLimits } from './rate-limits.ts';
import { heldUntil, type Level, microsecondsEach, takeTokens } from './token-bucket.ts';

/** Rate limits that are counted in memory: of one process. */

export interface RateLimiter {
  /** Value of RateLimit-Policy. */
  policies: string;
  /** Whether the counts of this process are all that there are. */
  isAlone: boolean;
  /** Takes `count` from the bucket of this subject. Throws `quota-exceeded` with Retry-After, having taken nothing. */
  take(subject: string, policy: ProcessPolicy, count?: number): Level;
  /** Puts back one that was taken. */
  giveBack(subject: string, policy: ProcessPolicy): void;
}

interface Options {
  limits: RateLimits;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Buckets that are remembered; a forgotten one, the least recently used, is full again. */
  capacity?: number;
  /** Default: true. Of several processes each allows the full quota, and none knows the rest. */
  isAlone?: boolean;
}

export function createRateLimiter({ limits, now, capacity = 20_000, isAlone = true }: Options): RateLimiter {
  const buckets = new Map<string, number>();
  const nameOf = (subject: string, policy: ProcessPolicy) => `${policy} ${subject}`;

  /** Put back at the end: a Map keeps insertion order, so the first entry is the least recently used. */
  function keep(name: string, fullAt: number): void {
    buckets.delete(name);
    buckets.set(name, fullAt);
    if (buckets.size > capacity) buckets.delete(buckets.keys().next().value!);
  }

  return {
    policies: describePolicies(limits),
    isAlone,
    take(subject, policy, count = 1) {
      const name = nameOf(subject, policy);
      const time = now();
      const before = heldUntil(limits[policy], buckets.get(name), time);
      keep(name, before);
      try {
        const { fullAt, level } = takeTokens(policy, limits[policy], { fullAt: before, now: time, count });
        keep(name, fullAt);
        return level;
      } catch (error) {
        if (!isAlone && error instanceof AppError) delete error.headers.RateLimit;
        throw error;
      }
    },
    giveBack(subject, policy) {
      const name = nameOf(subject, policy);
      const fullAt = buckets.get(name);
      if (fullAt !== undefined) buckets.set(name, fullAt - microsecondsEach(limits[policy]));
    },
  };
}
