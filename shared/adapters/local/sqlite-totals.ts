import type { DatabaseSync } from 'node:sqlite';
import { type JobStatus, jobStatusSchema } from '../../job.ts';
import type { StateStore } from '../../ports.ts';

export function createSqliteTotals(db: DatabaseSync): Pick<StateStore, 'getTotals'> {
  const selectTotals = db.prepare('SELECT name, value FROM totals');
  const selectOldest = db.prepare(
    `SELECT data ->> 'created_at' AS created_at FROM jobs WHERE status = 'queued' ORDER BY id LIMIT 1`,
  );
  return {
    async getTotals() {
      const rows = selectTotals.all() as { name: string; value: number }[];
      const totals = new Map(rows.map(({ name, value }) => [name, value]));
      const jobs = jobStatusSchema.options.map((status) => [status, totals.get(`job:${status}`) ?? 0] as const);
      const oldest = selectOldest.get() as { created_at: string } | undefined;
      return {
        jobs: Object.fromEntries(jobs) as Record<JobStatus, number>,
        ...(oldest && { oldest_queued_at: oldest.created_at }),
        captured: totals.get('captured') ?? 0,
        released: totals.get('released') ?? 0,
      };
    },
  };
}
