import { isTerminal, type Job } from './job.ts';

/** Order of a sweep: jobs that somebody waits for, then deleted ones, then those that are only kept for too long. */
const URGENCIES = ['unfinished', 'deleted', 'ended'] as const;
export type Urgency = (typeof URGENCIES)[number];

/** Of this job and those that come behind it; of none: all. */
export function urgenciesFrom(job?: Job): readonly Urgency[] {
  return URGENCIES.slice(job ? URGENCIES.indexOf(urgencyOf(job)) : 0);
}

export function urgencyOf(job: Pick<Job, 'status' | 'deleted_at'>): Urgency {
  if (job.deleted_at) return 'deleted';
  return isTerminal(job) ? 'ended' : 'unfinished';
}
