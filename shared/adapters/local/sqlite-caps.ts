import type { DatabaseSync } from 'node:sqlite';
import { checkInflight, checkMaxPrice, checkSpendCap, checkTokenJobs } from '../../caps.ts';
import type { Job } from '../../job.ts';
import type { ApiKey, ClientToken } from '../../keys.ts';

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
      if (token) checkTokenJobs(token, countOfToken.get(token.id)!.jobs as number);
      const key = keyOf(job);
      const cap = key?.inflight_cap ?? inflightCap;
      if (key && Number.isFinite(cap)) checkInflight(key, cap, countUnfinished.get(key.id, cap)!.jobs as number);
    },
    /** Inside the transaction that reserves the price of the job. Throws `spend-cap-reached` and `price-exceeded`. */
    checkPrice(job: Job): void {
      const { amount } = job.charge;
      const token = tokenOf(job);
      if (token) checkMaxPrice(token, amount);
      const key = keyOf(job);
      if (key) checkSpendCap(key, (selectSpent.get(key.id)?.spent ?? 0) as number, amount);
    },
  };
}

function parse<T>(row: Record<string, unknown> | undefined): T | undefined {
  return row && (JSON.parse(row.data as string) as T);
}
