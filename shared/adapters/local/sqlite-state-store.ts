import type { DatabaseSync } from 'node:sqlite';
import type { StateStore } from '../../ports.ts';
import type { RateLimits } from '../../rate-limits.ts';
import { notingDamage } from './damage.ts';
import { outwaitingLocks } from './outwait-lock.ts';
import { createSqliteAccounts } from './sqlite-accounts.ts';
import { createSqliteBatches } from './sqlite-batches.ts';
import { createSqliteCaps } from './sqlite-caps.ts';
import { createSqliteClearing } from './sqlite-clearing.ts';
import { createSqliteForgetting } from './sqlite-forgetting.ts';
import { createSqliteIdempotency } from './sqlite-idempotency.ts';
import { createSqliteJobs } from './sqlite-jobs.ts';
import { createSqliteKeys } from './sqlite-keys.ts';
import { createSqliteOutbox } from './sqlite-outbox.ts';
import { createSqlitePaces } from './sqlite-paces.ts';
import { createSqliteQuotas } from './sqlite-quotas.ts';
import { createSqliteStatements } from './sqlite-statements.ts';
import { createSqliteTotals } from './sqlite-totals.ts';
import { createSqliteUploads } from './sqlite-uploads.ts';

interface Options {
  /** Milliseconds since 1970. */
  now: () => number;
  /** Limits of accounts. Default: none. */
  limits?: RateLimits | undefined;
}

/** Durable state in the database of `openDatabase`, which the caller closes. */
export function createSqliteStateStore(db: DatabaseSync, { now, limits }: Options): StateStore {
  const accounts = createSqliteAccounts(db, now);
  const idempotency = createSqliteIdempotency(db, now);
  const caps = createSqliteCaps(db, limits);
  const quotas = createSqliteQuotas(db, limits, now);
  const uploads = createSqliteUploads(db, { caps, idempotency, now });
  const outbox = createSqliteOutbox(db, { idempotency, quotas, now });
  const batches = createSqliteBatches(db, outbox, now);
  const totals = createSqliteTotals(db);
  const verbs: StateStore = {
    ...accounts.verbs,
    ...createSqliteStatements(db, accounts),
    ...totals.verbs,
    ...createSqlitePaces(db, now),
    ...createSqliteClearing(db, now),
    ...createSqliteForgetting(db),
    ...outbox.verbs,
    ...createSqliteKeys(db, { idempotency, quotas, now }),
    ...uploads.verbs,
    ...createSqliteJobs(db, { accounts, caps, quotas, idempotency, outbox, batches, uploads, totals, now }),
  };
  return outwaitingLocks(notingDamage(db, verbs));
}
