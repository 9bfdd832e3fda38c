import { z } from 'zod';
import type { Job } from './job.ts';
import type { JobWebhook } from './webhook-event.ts';

/** Jobs that were submitted together, and are told of together when the last of them has ended. */
export const batchSchema = z.object({
  id: z.string(),
  test: z.literal(true).optional(),
  created_at: z.iso.datetime(),
  finished_at: z.iso.datetime().optional().describe('When the last of its jobs had ended.'),
  job_count: z.int(),
  counts: z.object({ succeeded: z.int(), failed: z.int(), canceled: z.int(), expired: z.int() }),
});

export interface Batch extends z.infer<typeof batchSchema> {
  account: string;
  end_user?: string;
  webhook?: JobWebhook;
}

/** One more of its jobs has ended as `status`. Pure. `now`: milliseconds since 1970. */
export function countEnd(batch: Batch, status: Job['status'], now: number): Batch {
  const ended = status as keyof Batch['counts'];
  const counts = { ...batch.counts, [ended]: batch.counts[ended] + 1 };
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (total < batch.job_count) return { ...batch, counts };
  // The worker's clock may be behind that of the API.
  const finished = Math.max(now, Date.parse(batch.created_at));
  return { ...batch, counts, finished_at: new Date(finished).toISOString() };
}
