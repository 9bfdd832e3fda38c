import type { Owner } from '../../keys.ts';
import type { AccountPolicy, RateLimits } from '../../rate-limits.ts';
import { credible, heldUntil, type Level, latestFor, takeTokens } from '../../token-bucket.ts';
import { keyOf, modeOf } from './dynamo-items.ts';
import type { Reads } from './dynamo-reads.ts';
import type { Write } from './dynamo-transaction.ts';

export type Quotas = ReturnType<typeof createQuotas>;

/** Writes of a verb that creates something, and the rest of rate limits after it. */
export interface Creating {
  writes: Write[];
  levels: Level[];
}

/** Quotas of creation of an account, live and test mode apart. Without `limits`: anything. */
export function createQuotas(reads: Reads, limits: RateLimits | undefined, now: () => number) {
  return {
    /** Writes that go with the creation of `count` things. Throws `quota-exceeded`. */
    async take(owner: Owner, policy: AccountPolicy, count = 1): Promise<Creating> {
      if (!limits) return { writes: [], levels: [] };
      const rate = limits[policy];
      const key = keyOf.quota(owner.account, modeOf(owner), policy);
      const was = (await reads.get(key))?.full_at as number | undefined;
      const time = now();
      const fullAt = credible(rate, was, time);
      const taken = takeTokens(policy, rate, { fullAt, now: time, count });
      // Added to, so that two writers within the limit do not refuse one another; a full bucket has no number to add
      // to.
      const isAdded = fullAt !== undefined && heldUntil(rate, fullAt, time) === fullAt;
      const write: Write = isAdded
        ? {
            add: key,
            amounts: { full_at: taken.added },
            only: { atLeast: { full_at: time * 1000 }, atMost: { full_at: latestFor(rate, time, count) } },
          }
        : { set: key, numbers: { full_at: taken.fullAt }, was: { full_at: was } };
      return { writes: [write], levels: [taken.level] };
    },
  };
}
