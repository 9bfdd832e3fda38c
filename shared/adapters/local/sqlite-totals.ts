import type { DatabaseSync } from 'node:sqlite';
import { type Job, type JobStatus, jobStatusSchema } from '../../job.ts';
import type { StateStore } from '../../ports.ts';
import { countWork, readWorkCounts } from '../../work-counts.ts';

export type SqliteTotals = ReturnType<typeof createSqliteTotals>;

export function createSqliteTotals(db: DatabaseSync) {
  const add = db.prepare('INSERT INTO totals VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value');
  const selectTotals = db.prepare('SELECT name, value FROM totals');
  const selectOldest = db.prepare(
    `SELECT data ->> 'created_at' AS created_at FROM jobs WHERE status = 'queued' ORDER BY id LIMIT 1`,
  );
  const verbs: Pick<StateStore, 'getTotals'> = {
    async getTotals() {
      const rows = selectTotals.all() as { name: string; value: number }[];
      const totals = new Map(rows.map(({ name, value }) => [name, value]));
      const jobs = jobStatusSchema.options.map((status) => [status, totals.get(`job:${status}`) ?? 0] as const);
      const oldest = selectOldest.get() as { created_at: string } | undefined;
      return {
        jobs: Object.fromEntries(jobs) as Record<JobStatus, number>,
        ...(oldest && { oldest_queued_at: oldest.created_at }),
        work: readWorkCounts((name) => totals.get(name)),
        captured: totals.get('captured') ?? 0,
        released: totals.get('released') ?? 0,
      };
    },
  };
  return {
    verbs,
    /** Inside the transaction in which the job goes from `before` (null: it is new) to `after`. */
    record(before: Job | null, after: Job): void {
      for (const [name, amount] of Object.entries(countWork(before, after))) add.run(name, amount);
    },
  };
}
