import { AppError } from '../../error.ts';
import { type Job, type JobStatus, jobStatusSchema } from '../../job.ts';
import type { LedgerKind } from '../../job-machine.ts';
import type { StateStore, UsageRow } from '../../ports.ts';
import { countWork, readWorkCounts } from '../../work-counts.ts';
import { type Item, keyOf, parse } from './dynamo-items.ts';
import { SHARDS } from './dynamo-table.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

/** Running counts: of all accounts, and of each by day and model. */
export function createDynamoTotals(dynamo: Dynamo): Pick<StateStore, 'getTotals' | 'getUsage'> {
  async function oldestQueued(): Promise<Job | undefined> {
    for await (const entry of dynamo.queued()) {
      const [item] = await dynamo.visible(await dynamo.getMany([entry]));
      const job = item && parse<Job>(item);
      if (job?.status === 'queued') return job;
    }
    return undefined;
  }
  return {
    async getTotals() {
      const shards = Array.from({ length: SHARDS }, (_, shard) => keyOf.totals(shard));
      const [items, oldest] = await Promise.all([dynamo.getMany(shards), oldestQueued()]);
      const sum = (name: string) => items.reduce((total, item) => total + ((item?.[name] as number) ?? 0), 0);
      const jobs = jobStatusSchema.options.map((status) => [status, sum(status)] as const);
      return {
        jobs: Object.fromEntries(jobs) as Record<JobStatus, number>,
        ...(oldest && { oldest_queued_at: oldest.created_at }),
        work: readWorkCounts(sum),
        captured: sum('captured'),
        released: sum('released'),
      };
    },
    async getUsage({ account, test, from, to }) {
      if (!(from <= to)) throw new AppError('invalid', `The days from ${from} to ${to} are none.`);
      const first = keyOf.usage(account, test ? 'test' : 'live', from, '');
      const last = keyOf.usage(account, test ? 'test' : 'live', to, '~');
      return (await dynamo.query(first.pk, first.sk, last.sk)).map(usageIn);
    },
  };
}

/** Counts new jobs of one account. */
export function countNew(jobs: readonly Job[]): Write[] {
  const statuses = Map.groupBy(jobs, ({ status }) => status);
  const rows = Map.groupBy(jobs, (job) => JSON.stringify(usageKey(job)));
  const work = jobs.map((job) => countWork(null, job)).reduce(added, {});
  return [
    totals({ ...Object.fromEntries(statuses.entries().map(([status, of]) => [status, of.length])), ...work }),
    ...rows.values().map((of): Write => ({ add: usageKey(of[0]!), amounts: { jobs: of.length } })),
  ];
}

/** Counts that a job went from `before` to `after`. */
export function countChange(before: Job, after: Job, ledger: LedgerKind | undefined): Write[] {
  if (before.status === after.status) return [];
  const { amount } = after.charge;
  const captured = ledger === 'capture' ? amount : 0;
  const isDone = after.status === 'succeeded';
  return [
    totals({
      [before.status]: -1,
      [after.status]: 1,
      ...(captured > 0 && { captured }),
      ...(ledger === 'release' && amount > 0 && { released: amount }),
      ...countWork(before, after),
    }),
    ...(isDone ? [{ add: usageKey(after), amounts: { succeeded: 1, ...(captured > 0 && { captured }) } }] : []),
  ];
}

function added(sums: Record<string, number>, amounts: Record<string, number>): Record<string, number> {
  const changed = Object.entries(amounts).map(([name, amount]) => [name, (sums[name] ?? 0) + amount]);
  return { ...sums, ...Object.fromEntries(changed) };
}

/** In any of the shards: seldom the one that somebody else writes to at this moment. */
function totals(amounts: Record<string, number>): Write {
  return { add: keyOf.totals(Math.floor(Math.random() * SHARDS)), amounts };
}

function usageKey({ account, test, created_at, parameters }: Job) {
  return keyOf.usage(account, test ? 'test' : 'live', created_at.slice(0, 10), parameters.model);
}

function usageIn({ sk, jobs, succeeded = 0, captured = 0 }: Item): UsageRow {
  const [, , day, model] = sk.split('#') as [string, string, string, string];
  return { day, model, jobs: jobs as number, succeeded: succeeded as number, captured: captured as number };
}
