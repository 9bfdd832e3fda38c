import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import { IDEMPOTENCY_SECONDS } from '../../limits.ts';
import type { Creation, Idempotency } from '../../ports.ts';
import { transaction } from './database.ts';

/** Each new answer clears away so many expired ones: the table shrinks faster than it grows. */
const CLEARED_PER_ANSWER = 2;

export type IdempotentAnswers = ReturnType<typeof createSqliteIdempotency>;

/** Answers by (account, key), for IDEMPOTENCY_SECONDS. */
export function createSqliteIdempotency(db: DatabaseSync, now: () => number) {
  const select = db.prepare(
    'SELECT fingerprint, response FROM idempotency WHERE account = ? AND key = ? AND expires_at > ?',
  );
  const upsert = db.prepare(
    'INSERT OR REPLACE INTO idempotency (account, key, fingerprint, response, expires_at) VALUES (?, ?, ?, ?, ?)',
  );
  const clear = db.prepare(
    `DELETE FROM idempotency WHERE rowid IN
       (SELECT rowid FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ${CLEARED_PER_ANSWER})`,
  );
  /** Throws `idempotency-key-reused` when the fingerprint differs. */
  function find(account: string, request: Pick<Idempotency, 'key' | 'fingerprint'>): Idempotency['response'] | null {
    const row = select.get(account, request.key, now());
    if (!row) return null;
    if (row.fingerprint !== request.fingerprint) {
      throw new AppError('idempotency-key-reused', `Idempotency key "${request.key}" was used for another request.`);
    }
    return JSON.parse(row.response as string);
  }

  function keep(account: string, { key, fingerprint, response }: Idempotency): void {
    const time = now();
    clear.run(time);
    upsert.run(account, key, fingerprint, JSON.stringify(response), time + IDEMPOTENCY_SECONDS * 1000);
  }

  return {
    find,
    /** In one transaction: what `create` does, which must not await, and the answer. A repeat runs nothing. */
    once(account: string, request: Idempotency | undefined, create: () => void): Creation {
      return transaction(db, () => {
        const response = request && find(account, request);
        if (response) return { created: false, response };
        create();
        if (request) keep(account, request);
        return { created: true };
      });
    },
  };
}
