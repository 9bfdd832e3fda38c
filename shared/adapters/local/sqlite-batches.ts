import type { DatabaseSync } from 'node:sqlite';
import { type Batch, countEnd } from '../../batch.ts';
import { isTerminal, type Job } from '../../job.ts';
import type { SqliteOutbox } from './sqlite-outbox.ts';

export type SqliteBatches = ReturnType<typeof createSqliteBatches>;

export function createSqliteBatches(db: DatabaseSync, outbox: SqliteOutbox, now: () => number) {
  const insert = db.prepare('INSERT INTO batches (id, data) VALUES (?, ?)');
  const select = db.prepare('SELECT data FROM batches WHERE id = ?');
  const update = db.prepare('UPDATE batches SET data = ? WHERE id = ?');

  function find(id: string): Batch | null {
    const row = select.get(id);
    return row ? JSON.parse(row.data as string) : null;
  }
  return {
    find,
    /** Inside the transaction that stores its jobs. */
    insert(batch: Batch): void {
      insert.run(batch.id, JSON.stringify(batch));
    },
    /** Inside the transaction in which the job goes from `before` to `after`. */
    record(before: Job, after: Job): void {
      if (!after.batch_id || isTerminal(before) || !isTerminal(after)) return;
      const batch = find(after.batch_id);
      if (!batch) return;
      const counted = countEnd(batch, after.status, now());
      update.run(JSON.stringify(counted), counted.id);
      if (counted.finished_at) outbox.recordBatch(counted);
    },
  };
}
