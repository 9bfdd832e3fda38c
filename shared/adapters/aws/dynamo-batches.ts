import { type Batch, countEnd } from '../../batch.ts';
import type { Delivery } from '../../delivery.ts';
import { AppError } from '../../error.ts';
import type { Job } from '../../job.ts';
import { BATCH_RETENTION_SECONDS } from '../../limits.ts';
import { deliveriesOf } from '../../outbox.ts';
import type { StateStore } from '../../ports.ts';
import { bookOfBatch } from './dynamo-accounts.ts';
import type { Funds } from './dynamo-funds.ts';
import type { IdempotentAnswers } from './dynamo-idempotency.ts';
import {
  deliveryItem,
  type Item,
  indexKeyOf,
  jobItem,
  type Key,
  keyOf,
  parse,
  seconds,
  shardOf,
} from './dynamo-items.ts';
import type { DynamoOutbox } from './dynamo-outbox.ts';
import type { Creating } from './dynamo-quotas.ts';
import { countNew } from './dynamo-totals.ts';
import { type Dynamo, MAX_WRITES, type Write } from './dynamo-transaction.ts';

/** A batch that is not complete after so long was left behind by a process that died. */
const OPEN_SECONDS = 900;

interface Parts {
  funds: Funds;
  idempotency: IdempotentAnswers;
  outbox: DynamoOutbox;
  now: () => number;
}

export type DynamoBatches = ReturnType<typeof createDynamoBatches>;

/**
 * A batch does not fit into one transaction. It is written open, then its jobs, which nobody sees before it is complete
 * (`seal` of their items), and the last transaction completes it: with the money of all, and the answer. The rest of
 * one that was never completed has cost nothing, and is cleared away.
 */
export function createDynamoBatches(dynamo: Dynamo, { funds, idempotency, outbox, now }: Parts) {
  async function open(batch: Batch, jobs: readonly Job[]): Promise<void> {
    const deliveries = jobs.flatMap((job) => deliveriesOf(null, job, [], now()));
    const parts = [
      ...jobs.map((job) => jobItem(job, batch.id)),
      ...deliveries.map((delivery: Delivery) => deliveryItem(delivery, batch.id)),
    ];
    const by = {
      ...keyOf.batch(batch.id),
      data: JSON.stringify(batch),
      jobs: jobs.map(({ id }) => id),
      open: parts.map(({ pk, sk }): Key => ({ pk, sk })),
      due_of: indexKeyOf.due('BATCH', shardOf(batch.id)),
      due_at: now() + OPEN_SECONDS * 1000,
    };
    await dynamo.transact(async () => ({ result: undefined, writes: [{ replace: { was: null, by } }] }));
    for (let first = 0; first < parts.length; first += MAX_WRITES) {
      const writes = parts
        .slice(first, first + MAX_WRITES)
        .map((part): Write => ({ replace: { was: null, by: part } }));
      await dynamo.transact(async () => ({ result: undefined, writes }));
    }
  }

  /** Clears away the rest of an incomplete batch; from then on it cannot be completed. */
  async function abandon(id: string): Promise<void> {
    const item = await dynamo.transact<Item | undefined>(async () => {
      const found = await dynamo.get(keyOf.batch(id));
      if (!found?.open) return { result: undefined, writes: [] };
      const writes: Write[] = [{ replace: { was: found, by: { ...found, abandoned: true } } }];
      return { result: found, writes };
    });
    if (!item) return;
    await dynamo.erase(item.open as Key[]);
    // Last, so that a crash before it leaves the batch due.
    await dynamo.erase([item]);
  }

  async function complete(batch: Batch, jobs: readonly Job[]): Promise<Creating> {
    const item = await dynamo.get(keyOf.batch(batch.id));
    if (!item?.open || item.abandoned) {
      throw new AppError('unavailable', `Batch ${batch.id} was given up before it was complete; try again.`);
    }
    const reserved = jobs.filter(({ charge }) => charge.state === 'reserved');
    const taken = await funds.take(jobs, { isNew: true });
    const writes = [
      { replace: { was: item, by: completeItem(batch, item) } },
      ...taken.writes,
      bookOfBatch(batch.account, batch.id, reserved, now()),
      ...countNew(jobs),
    ];
    return { writes, levels: taken.levels };
  }

  const verbs: Pick<StateStore, 'createBatch' | 'getBatch'> = {
    async createBatch(batch, jobs, request) {
      // A refusal comes before anything is written, unless somebody else is faster.
      const response = request && (await idempotency.find(batch.account, request));
      if (response) return { created: false, response };
      await funds.take(jobs, { isNew: true });
      let isComplete = false;
      try {
        await open(batch, jobs);
        const creation = await idempotency.once(batch.account, request, () => complete(batch, jobs));
        isComplete = creation.created;
        return creation;
      } finally {
        // Where that fails too, the sweep does it later.
        if (!isComplete) await abandon(batch.id).catch(() => {});
      }
    },
    async getBatch(id) {
      const item = await dynamo.get(keyOf.batch(id));
      return item && !item.open ? parse<Batch>(item) : null;
    },
  };
  return {
    verbs,
    /** The newest first. */
    async *keysOfJobs(id: string, { before }: { before: string }): AsyncGenerator<Key[]> {
      const item = await dynamo.get(keyOf.batch(id));
      const jobs = ((item?.jobs ?? []) as string[]).filter((job) => job < before);
      yield jobs.toSorted().reverse().map(keyOf.job);
    },
    /** Writes that go with the end of a job. */
    async record(after: Job): Promise<Write[]> {
      const item = after.batch_id ? await dynamo.get(keyOf.batch(after.batch_id)) : undefined;
      if (!item) return [];
      const counted = countEnd(parse<Batch>(item), after.status, now());
      const write: Write = { replace: { was: item, by: completeItem(counted, item) } };
      return [write, ...(counted.finished_at ? await outbox.recordBatch(counted) : [])];
    },
    async sweep(): Promise<void> {
      for await (const { pk } of dynamo.due('BATCH', now())) await abandon(pk.slice(keyOf.batch('').pk.length));
    },
  };
}

function completeItem(batch: Batch, { jobs }: Item): Item {
  const expires_at_seconds = seconds(Date.parse(batch.created_at)) + BATCH_RETENTION_SECONDS;
  return { ...keyOf.batch(batch.id), data: JSON.stringify(batch), jobs, expires_at_seconds };
}
