import { firstId } from '../../id.ts';
import type { Job } from '../../job.ts';
import { isSettled, type LedgerEntry } from '../../ledger.ts';
import { RECORD_SECONDS } from '../../limits.ts';
import type { StateStore } from '../../ports.ts';
import { type Item, indexKeyOf, type Key, keyOf, parse, shardOf } from './dynamo-items.ts';
import { chunksOf } from './dynamo-reads.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

/** Each account is looked at once in so many minutes: most have nothing that is old. */
const TURN_MINUTES = 60;

/** Sums of old jobs. Other old items have a time after which the table deletes them by itself. */
export function createDynamoClearing(dynamo: Dynamo, now: () => number): Pick<StateStore, 'clearOld'> {
  async function* accountsOfTurn() {
    const turn = Math.floor(now() / 60_000) % TURN_MINUTES;
    for await (const page of dynamo.queryIndex('list', indexKeyOf.accounts())) {
      for (const { pk } of page) if (shardOf(pk, TURN_MINUTES) === turn) yield pk.slice('ACC#'.length);
    }
  }

  async function* oldJobs() {
    const before = firstId('job', now() - RECORD_SECONDS * 1000);
    for await (const account of accountsOfTurn()) {
      for (const hash of [indexKeyOf.jobs(account), indexKeyOf.deletedJobs(account)]) {
        for await (const page of dynamo.queryIndex('list', hash, { before })) yield* page;
      }
    }
  }

  /** False: something of the job is still kept, or its entries are not as they should be. */
  async function sum(key: Key): Promise<boolean> {
    return dynamo.transact(async () => {
      const [item] = await dynamo.visible([await dynamo.get(key)]);
      const job = item && parse<Job>(item);
      if (!job?.purged_at) return { result: false, writes: [] };
      const { account, id, batch_id } = job;
      const [reservation, settlement, ofBatch] = await dynamo.getMany([
        keyOf.reservation(account, id),
        keyOf.settlement(account, id),
        keyOf.batchReservation(account, batch_id ?? ''),
      ]);
      const own = [ofBatch, reservation, settlement].flatMap((row) => (row ? parse<LedgerEntry[]>(row) : []));
      const entries = own.filter(({ job_id }) => job_id === id);
      if (!isSettled(job, entries)) return { result: false, writes: [] };
      const rows = [reservation, settlement].filter((row) => row !== undefined);
      const writes: Write[] = [
        { remove: item! },
        ...rows.map((row): Write => ({ remove: row })),
        ...(ofBatch && !reservation ? withoutJob(ofBatch, id) : []),
        await added(job, entries),
      ];
      return { result: true, writes };
    });
  }

  async function added({ account, created_at }: Job, entries: readonly LedgerEntry[]): Promise<Write> {
    const lastAt = entries.at(-1)?.created_at ?? created_at;
    const key = keyOf.sum(account, lastAt.slice(0, 7));
    const was = await dynamo.get(key);
    const [sum] = was ? parse<LedgerEntry[]>(was) : [];
    const entry: LedgerEntry = {
      id: `jobs-${lastAt.slice(0, 7)}`,
      account,
      kind: 'jobs',
      jobs: (sum?.jobs ?? 0) + 1,
      amount: entries.reduce((total, { amount }) => total + amount, sum?.amount ?? 0),
      created_at: sum && sum.created_at > lastAt ? sum.created_at : lastAt,
    };
    return { replace: { was: was ?? null, by: { ...key, data: JSON.stringify([entry]) } } };
  }

  return {
    async clearOld(limit) {
      let count = 0;
      for await (const keys of chunksOf(oldJobs(), limit)) {
        for (const key of keys) if (await sum(key)) count++;
        if (count >= limit) break;
      }
      return count;
    },
  };
}

/** The reservations of a batch without that of the job. */
function withoutJob(row: Item, id: string): Write[] {
  const entries = parse<LedgerEntry[]>(row);
  const rest = entries.filter(({ job_id }) => job_id !== id);
  if (rest.length === entries.length) return [];
  return [rest.length === 0 ? { remove: row } : { replace: { was: row, by: { ...row, data: JSON.stringify(rest) } } }];
}
