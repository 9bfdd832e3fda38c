import type { DatabaseSync } from 'node:sqlite';
import type { Owner } from '../../keys.ts';
import type { AccountPolicy, RateLimits } from '../../rate-limits.ts';
import { credible, type Level, takeTokens } from '../../token-bucket.ts';

export type Quotas = ReturnType<typeof createSqliteQuotas>;

/** Quotas of creation of an account, live and test mode apart. Without `limits`: anything. */
export function createSqliteQuotas(db: DatabaseSync, limits: RateLimits | undefined, now: () => number) {
  const select = db.prepare('SELECT full_at FROM quotas WHERE account = ? AND test = ? AND policy = ?');
  const upsert = db.prepare('INSERT OR REPLACE INTO quotas (account, test, policy, full_at) VALUES (?, ?, ?, ?)');
  return {
    /** Inside the transaction that creates `count` of it. Throws `quota-exceeded`. */
    take({ account, test }: Owner, policy: AccountPolicy, count = 1): Level[] {
      if (!limits) return [];
      const rate = limits[policy];
      const time = now();
      const mode = test ? 1 : 0;
      const known = select.get(account, mode, policy)?.full_at as number | undefined;
      const { fullAt, level } = takeTokens(policy, rate, { fullAt: credible(rate, known, time), now: time, count });
      upsert.run(account, mode, policy, fullAt);
      return [level];
    },
  };
}
