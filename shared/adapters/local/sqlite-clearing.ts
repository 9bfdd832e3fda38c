import type { DatabaseSync } from 'node:sqlite';
import { firstId } from '../../id.ts';
import type { Job } from '../../job.ts';
import { isSettled, type LedgerEntry } from '../../ledger.ts';
import {
  BATCH_RETENTION_SECONDS,
  DELIVERY_RETENTION_SECONDS,
  RECORD_SECONDS,
  UPLOAD_RETENTION_SECONDS,
} from '../../limits.ts';
import type { StateStore } from '../../ports.ts';
import { transaction } from './database.ts';

/** Clears away old rows where no new ones come to do it, and sums up old jobs. */
export function createSqliteClearing(db: DatabaseSync, now: () => number): Pick<StateStore, 'clearOld'> {
  const kinds = [
    prepareKind(db, 'idempotency', 'expires_at <= ?', 'expires_at'),
    prepareKind(db, 'client_tokens', 'expires_at <= ?', 'expires_at'),
    prepareKind(db, 'deliveries', `status <> 'pending' AND data ->> 'created_at' < ?`, `data ->> 'created_at'`),
    prepareKind(db, 'batches', 'id < ?', 'id'),
  ] as const;
  const selectOldJob = db.prepare(`SELECT 1 FROM jobs WHERE id < ? AND data ->> 'purged_at' IS NOT NULL LIMIT 1`);
  const sum = createSummation(db);
  return {
    async clearOld(limit) {
      const time = now();
      const ago = (seconds: number) => time - seconds * 1000;
      const before = (seconds: number) => new Date(ago(seconds)).toISOString();
      const ends = [
        time,
        // A job that still awaits its upload is held against its token when the file comes.
        before(UPLOAD_RETENTION_SECONDS),
        before(DELIVERY_RETENTION_SECONDS),
        firstId('bat', ago(BATCH_RETENTION_SECONDS)),
      ];
      const oldJobs = firstId('job', ago(RECORD_SECONDS));
      // Most looks find nothing: those take no write lock.
      const isOld = kinds.some(({ select }, i) => select.get(ends[i]!)) || selectOldJob.get(oldJobs);
      if (!isOld) return 0;
      return transaction(db, () => {
        const rows = kinds.map(({ erase }, i) => Number(erase.run(ends[i]!, limit).changes));
        return rows.reduce((count, changes) => count + changes, sum(oldJobs, limit));
      });
    },
  };
}

function prepareKind(db: DatabaseSync, table: string, condition: string, order: string) {
  return {
    select: db.prepare(`SELECT 1 FROM ${table} WHERE ${condition} LIMIT 1`),
    erase: db.prepare(
      `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE ${condition} ORDER BY ${order} LIMIT ?)`,
    ),
  };
}

/** Inside a transaction: jobs with a smaller id than `end` of which nothing is kept any more. */
function createSummation(db: DatabaseSync) {
  const selectJobs = db.prepare(
    `SELECT data FROM jobs WHERE id < ? AND data ->> 'purged_at' IS NOT NULL ORDER BY id LIMIT ?`,
  );
  // `reserve` comes first by this order, too, which is that of an index.
  const selectEntries = db.prepare('SELECT kind, amount, created_at FROM ledger WHERE job_id = ? ORDER BY kind DESC');
  const begin = db.prepare('INSERT INTO being_summed VALUES (?)');
  const end = db.prepare('DELETE FROM being_summed');
  const add = db.prepare(
    `INSERT INTO sums VALUES (?1, ?2, 1, ?3, ?4) ON CONFLICT DO UPDATE
     SET jobs = jobs + 1, amount = amount + excluded.amount, last_at = max(last_at, excluded.last_at)`,
  );
  const removeEntries = db.prepare('DELETE FROM ledger WHERE job_id = ?');
  const removeJob = db.prepare('DELETE FROM jobs WHERE id = ?');
  return (before: string, limit: number): number => {
    let count = 0;
    for (const row of selectJobs.all(before, limit)) {
      const job = JSON.parse(row.data as string) as Job;
      const entries = selectEntries.all(job.id) as unknown as LedgerEntry[];
      if (!isSettled(job, entries)) continue; // The check of the accounts tells of it.
      const amount = entries.reduce((total, entry) => total + entry.amount, 0);
      const lastAt = entries.at(-1)?.created_at ?? job.created_at;
      begin.run(job.id);
      add.run(job.account, lastAt.slice(0, 7), amount, lastAt);
      removeEntries.run(job.id);
      removeJob.run(job.id);
      count++;
    }
    end.run();
    return count;
  };
}
