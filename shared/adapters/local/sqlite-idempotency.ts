import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import { answerGone, type Creation, type Idempotency, requestKeyOf } from '../../idempotency.ts';
import type { Job } from '../../job.ts';
import { IDEMPOTENCY_SECONDS } from '../../limits.ts';
import type { Level } from '../../token-bucket.ts';
import { transaction } from './database.ts';

/** Each new answer clears away so many expired ones: the table shrinks faster than it grows. */
const CLEARED_PER_ANSWER = 2;

export type IdempotentAnswers = ReturnType<typeof createSqliteIdempotency>;

/** Answers by (account, key), for IDEMPOTENCY_SECONDS. */
export function createSqliteIdempotency(db: DatabaseSync, now: () => number) {
  const select = db.prepare(
    'SELECT fingerprint, response FROM idempotency WHERE account = ? AND key IN (?, ?) AND expires_at > ?',
  );
  const upsert = db.prepare(
    'INSERT OR REPLACE INTO idempotency (account, key, fingerprint, response, expires_at) VALUES (?, ?, ?, ?, ?)',
  );
  const clear = db.prepare(
    `DELETE FROM idempotency WHERE rowid IN
       (SELECT rowid FROM idempotency WHERE expires_at <= ? ORDER BY expires_at LIMIT ${CLEARED_PER_ANSWER})`,
  );
  const bury = db.prepare(`UPDATE OR REPLACE idempotency SET key = ?, response = 'null' WHERE account = ? AND key = ?`);
  /** Throws `idempotency-key-reused` when the fingerprint differs, and `gone`. */
  function find(account: string, request: Pick<Idempotency, 'key' | 'fingerprint'>): Idempotency['response'] | null {
    const row = select.get(account, request.key, digestOf(request.key), now());
    if (!row) return null;
    if (row.fingerprint !== request.fingerprint) {
      throw new AppError('idempotency-key-reused', `Idempotency key "${request.key}" was used for another request.`);
    }
    const response = JSON.parse(row.response as string) as Idempotency['response'] | null;
    if (!response) throw answerGone();
    return response;
  }

  function keep(
    account: string,
    { key, fingerprint, response, keepUntil = Number.POSITIVE_INFINITY }: Idempotency,
  ): void {
    const time = now();
    const expiresAt = Math.min(time + IDEMPOTENCY_SECONDS * 1000, keepUntil);
    clear.run(time);
    upsert.run(account, key, fingerprint, JSON.stringify(response), expiresAt);
  }

  return {
    find,
    /** Inside the transaction that deletes the job. */
    forget(job: Job): void {
      if (job.idempotency_key === undefined) return;
      const key = requestKeyOf(job, job.idempotency_key);
      bury.run(digestOf(key), job.account, key);
    },
    /**
     * In one transaction: `create`, which must not await and returns the rest of rate limits, and the answer. A repeat
     * runs nothing.
     */
    once(account: string, request: Idempotency | undefined, create: () => Level[]): Creation {
      return transaction(db, () => {
        const response = request && find(account, request);
        if (response) return { created: false, response };
        const levels = create();
        if (request) keep(account, request);
        return { created: true, ...(levels.length > 0 && { levels }) };
      });
    },
  };
}

function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}
