import { isTerminal, type Job } from './job.ts';
import { ANY_METHOD_IDS, type AnyMethodId, methodOf } from './methods/registry.ts';
import type { Paces } from './pace.ts';

/**
 * Work of each method, counted as it happens: open work and done work. Work that was canceled before it was done counts
 * as never asked, and test mode asks nothing.
 */

export type Kind = 'open' | 'done';
const NAMES = ['open_jobs', 'open_work', 'done_jobs', 'done_work'] as const;
/** Work in millionths, as `work` of a job. */
type WorkCount = Record<(typeof NAMES)[number], number>;
export type WorkCounts = Partial<Record<AnyMethodId, WorkCount>>;

/** By the name of each count, its change when a job goes from `before` (null: it is new) to `after`. */
export function countWork(before: Job | null, after: Job): Record<string, number> {
  const [was, is] = [before !== null && isOpen(before), isOpen(after)];
  const { work = 0 } = after;
  if (was === is) return {};
  const isDone = after.status === 'succeeded' || after.status === 'failed';
  const sign = is ? 1 : -1;
  const { id } = methodOf(after.parameters);
  return {
    [nameOf('open_jobs', id)]: sign,
    [nameOf('open_work', id)]: sign * work,
    ...(isDone && { [nameOf('done_jobs', id)]: 1, [nameOf('done_work', id)]: work }),
  };
}

/** `countOf`: by the name of a count. Methods of which nothing was asked are missing. */
export function readWorkCounts(countOf: (name: string) => number | undefined): WorkCounts {
  const counts = ANY_METHOD_IDS.map((id) => {
    return [id, Object.fromEntries(NAMES.map((name) => [name, countOf(nameOf(name, id)) ?? 0]))] as const;
  });
  return Object.fromEntries(counts.filter(([, count]) => Object.values(count).some((value) => value !== 0)));
}

/** Of each method, by the durations of its last jobs; where none has ended, `secondsPerJob` for each. */
export function secondsOf(counts: WorkCounts, kind: Kind, paces: Paces, secondsPerJob: number): number[] {
  return Object.entries(counts).map(([id, count]) => {
    const { [`${kind}_jobs` as const]: jobs, [`${kind}_work` as const]: work } = count;
    const pace = paces[id as AnyMethodId];
    if (jobs <= 0) return 0;
    return pace && pace.work > 0 ? (Math.max(0, work) / 1e6) * (pace.seconds / pace.work) : jobs * secondsPerJob;
  });
}

/** A worker has it, or is to have it. Jobs of earlier versions were not counted. */
function isOpen(job: Job): boolean {
  return job.work !== undefined && job.status !== 'awaiting_upload' && !isTerminal(job);
}

/** Of letters that attributes of DynamoDB may have in expressions. */
function nameOf(name: (typeof NAMES)[number], id: AnyMethodId): string {
  return `${name}_${id.replaceAll('-', '_')}`;
}
