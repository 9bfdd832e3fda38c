import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import type { Job } from '../../job.ts';
import type { ApiKey, ClientToken } from '../../keys.ts';
import { INFLIGHT_RETRY_SECONDS } from '../../limits.ts';

export type Caps = ReturnType<typeof createSqliteCaps>;

/** What the API key and the client token of a job allow. `inflightCap`: of keys that have none of their own. */
export function createSqliteCaps(db: DatabaseSync, inflightCap: number) {
  const selectKey = db.prepare('SELECT data FROM keys WHERE id = ?');
  const selectToken = db.prepare('SELECT data FROM client_tokens WHERE id = ?');
  const selectSpent = db.prepare('SELECT spent FROM key_spending WHERE key_id = ?');
  const countOfToken = db.prepare('SELECT count(*) AS jobs FROM jobs WHERE token_id = ?');
  const countUnfinished = db.prepare(
    `SELECT count(*) AS jobs FROM (SELECT 1 FROM jobs
     WHERE key_id = ? AND status IN ('awaiting_upload', 'queued', 'starting', 'running') LIMIT ?)`,
  );
  const keyOf = ({ key_id }: Job) => (key_id ? parse<ApiKey>(selectKey.get(key_id)) : undefined);
  const tokenOf = ({ token_id }: Job) => (token_id ? parse<ClientToken>(selectToken.get(token_id)) : undefined);

  return {
    /** Inside the transaction that stores the job. Throws `quota-exceeded` and `token-used-up`. */
    checkNewJob(job: Job): void {
      const token = tokenOf(job);
      if (token && (countOfToken.get(token.id)!.jobs as number) >= token.max_jobs) {
        throw new AppError('token-used-up', `The client token ${token.id} was for ${token.max_jobs} jobs (max_jobs).`);
      }
      const key = keyOf(job);
      if (!key) return;
      const cap = key.inflight_cap ?? inflightCap;
      if (!Number.isFinite(cap) || (countUnfinished.get(key.id, cap)!.jobs as number) < cap) return;
      throw new AppError('quota-exceeded', `The key ${key.id} has ${cap} unfinished jobs, as many as it may.`, {
        violatedPolicies: ['inflight'],
        headers: { 'Retry-After': String(INFLIGHT_RETRY_SECONDS) },
      });
    },
    /** Inside the transaction that reserves the price of the job. Throws `spend-cap-reached` and `price-exceeded`. */
    checkPrice(job: Job): void {
      const { amount } = job.charge;
      const token = tokenOf(job);
      if (token?.max_price !== undefined && amount > token.max_price) {
        const rule = `the client token ${token.id} allows ${token.max_price} for each (max_price)`;
        throw new AppError('price-exceeded', `The job costs ${amount} micro-units; ${rule}.`);
      }
      const key = keyOf(job);
      if (!key || key.spend_cap === undefined) return;
      const spent = (selectSpent.get(key.id)?.spent ?? 0) as number;
      if (spent + amount <= key.spend_cap) return;
      const rule = `the key ${key.id} has spent ${spent} of its spend_cap ${key.spend_cap}`;
      throw new AppError('spend-cap-reached', `The job costs ${amount} micro-units; ${rule}.`);
    },
  };
}

function parse<T>(row: Record<string, unknown> | undefined): T | undefined {
  return row && (JSON.parse(row.data as string) as T);
}
