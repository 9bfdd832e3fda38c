import type { DatabaseSync } from 'node:sqlite';
import {
  checkIdleFiles,
  checkInflight,
  checkMaxPrice,
  checkSpendCap,
  checkTokenFiles,
  checkTokenJobs,
} from '../../caps.ts';
import type { Job } from '../../job.ts';
import type { ApiKey, ClientToken } from '../../keys.ts';
import type { Upload } from '../../ports.ts';
import type { RateLimits } from '../../rate-limits.ts';

export type Caps = ReturnType<typeof createSqliteCaps>;

/** Caps of account, API key and client token of a job or a file. */
export function createSqliteCaps(db: DatabaseSync, limits: RateLimits | undefined) {
  const selectKey = db.prepare('SELECT data FROM keys WHERE id = ?');
  const selectToken = db.prepare('SELECT data FROM client_tokens WHERE id = ?');
  const selectSpent = db.prepare('SELECT spent FROM key_spending WHERE key_id = ?');
  const countOfToken = db.prepare('SELECT count(*) AS jobs FROM jobs WHERE token_id = ?');
  const unfinished = `status IN ('awaiting_upload', 'queued', 'starting', 'running')`;
  const countOfKey = db.prepare(
    `SELECT count(*) AS jobs FROM (SELECT 1 FROM jobs WHERE key_id = ? AND ${unfinished} LIMIT ?)`,
  );
  const countOfAccount = db.prepare(
    `SELECT count(*) AS jobs FROM
       (SELECT 1 FROM jobs INDEXED BY jobs_unfinished WHERE account = ? AND test = ? AND ${unfinished} LIMIT ?)`,
  );
  const countFilesOfToken = db.prepare('SELECT count(*) AS files FROM uploads WHERE token_id = ?');
  const selectIdle = db.prepare(
    `SELECT count(*) AS files, total(bytes) AS bytes FROM uploads INDEXED BY uploads_idle
     WHERE account = ? AND test = ? AND restored IS NULL`,
  );
  const keyOf = ({ key_id }: Job) => (key_id ? parse<ApiKey>(selectKey.get(key_id)) : undefined);
  const tokenOf = ({ token_id }: Pick<Job, 'token_id'>) =>
    token_id ? parse<ClientToken>(selectToken.get(token_id)) : undefined;

  return {
    /** Inside the transaction that stores the job. Throws `quota-exceeded` and `token-used-up`. */
    checkNewJob(job: Job): void {
      const token = tokenOf(job);
      if (token) checkTokenJobs(token, countOfToken.get(token.id)!.jobs as number);
      const key = keyOf(job);
      const own = key?.inflight_cap;
      if (own !== undefined) checkInflight(`The key ${key!.id}`, own, countOfKey.get(key!.id, own)!.jobs as number);
      const cap = limits?.inflight.quota;
      if (cap === undefined) return;
      checkInflight('The account', cap, countOfAccount.get(job.account, job.test ? 1 : 0, cap)!.jobs as number);
    },
    /** Inside the transaction that stores the upload. Throws `token-used-up` and `quota-exceeded`. */
    checkNewUpload(upload: Upload): void {
      const token = tokenOf(upload);
      if (token) checkTokenFiles(token, countFilesOfToken.get(token.id)!.files as number);
      if (!limits) return;
      const idle = selectIdle.get(upload.account, upload.test ? 1 : 0) as { files: number; bytes: number };
      checkIdleFiles(limits.uploads, idle, upload.bytes);
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
