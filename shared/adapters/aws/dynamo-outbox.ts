import type { Batch } from '../../batch.ts';
import { afterAttempt, type Delivery, replayed } from '../../delivery.ts';
import type { Endpoint } from '../../endpoint.ts';
import { AppError } from '../../error.ts';
import type { Job } from '../../job.ts';
import { DELIVERY_RETENTION_SECONDS } from '../../limits.ts';
import { concernsEndpoint, deliveriesOf, deliveriesOfBatch, eventOf } from '../../outbox.ts';
import type { Outbox } from '../../outbox-port.ts';
import { createClaims } from './dynamo-claims.ts';
import { createDynamoEndpoints, listEndpoints, writesOfChange } from './dynamo-endpoints.ts';
import type { IdempotentAnswers } from './dynamo-idempotency.ts';
import { deliveryItem, type Item, indexKeyOf, keyOf, parse } from './dynamo-items.ts';
import { readPage } from './dynamo-page.ts';
import type { Quotas } from './dynamo-quotas.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

export type DynamoOutbox = ReturnType<typeof createDynamoOutbox>;

interface Parts {
  idempotency: IdempotentAnswers;
  quotas: Quotas;
  now: () => number;
}

/** Receivers and deliveries. */
export function createDynamoOutbox(dynamo: Dynamo, { idempotency, quotas, now }: Parts) {
  const claims = createClaims(dynamo, now);
  async function isOfDeleted({ job_id }: Delivery): Promise<boolean> {
    const item = job_id && (await dynamo.get(keyOf.job(job_id)));
    return Boolean(item && parse<Job>(item).deleted_at);
  }
  const verbs: Outbox = {
    ...createDynamoEndpoints(dynamo, idempotency, now),
    ...createLog(dynamo, quotas, now),
    claimDelivery: claims.claimDelivery,
    async recordAttempt({ id, claim }, result) {
      return dynamo.transact(async () => {
        const item = await dynamo.get(keyOf.delivery(id));
        if (!item) throw new AppError('not-found', `There is no delivery ${id}.`);
        const before = parse<Delivery>(item);
        if (before.claim !== claim) throw new AppError('lease-lost', `Delivery ${id} was claimed again.`);
        const { delivery, change } = afterAttempt(before, result, now());
        const { account, endpoint_id } = delivery;
        const endpoint = endpoint_id && (await dynamo.get(keyOf.endpoint(account, endpoint_id)));
        const isConcerned = endpoint && change && concernsEndpoint(change, delivery, parse<Endpoint>(endpoint));
        // A delivery about a deleted job is removed once it has ended.
        const isOver = delivery.status !== 'pending' && (await isOfDeleted(delivery));
        const writes: Write[] = [
          isOver ? { remove: item } : { replace: { was: item, by: deliveryItem(delivery) } },
          ...(await claims.release(before)),
          ...(isConcerned ? writesOfChange(endpoint, change, now()) : []),
        ];
        return { result: delivery, writes };
      });
    },
  };
  return {
    verbs,
    /** Writes that go with the end of the last job of the batch. */
    async recordBatch(batch: Batch): Promise<Write[]> {
      return newDeliveries(deliveriesOfBatch(batch, await listEndpoints(dynamo, batch.account), now()));
    },
    /** Writes that go with the step of the job from `before` to `after`. */
    async record(before: Job | null, after: Job): Promise<Write[]> {
      const receivers = eventOf(before, after) ? await listEndpoints(dynamo, after.account) : [];
      return newDeliveries(deliveriesOf(before, after, receivers, now()));
    },
    /** Of a deleted job. The rest is cleared away by age. */
    async eraseFinished({ account, id }: Job): Promise<void> {
      for await (const page of dynamo.queryIndex('job', indexKeyOf.of(account, id))) {
        const items = (await dynamo.getMany(page)).filter((item) => item !== undefined);
        await dynamo.erase(items.filter((item) => parse<Delivery>(item).status !== 'pending'));
      }
    },
  };
}

/** Deliveries as their account sees them: webhooks, until they are too old. */
function createLog(dynamo: Dynamo, quotas: Quotas, now: () => number) {
  const isShown = ({ kind, status, created_at }: Delivery) => {
    // The table clears away late.
    const isOld = Date.parse(created_at) < now() - DELIVERY_RETENTION_SECONDS * 1000;
    return kind === 'webhook' && (status === 'pending' || !isOld);
  };
  const find = async (account: string, id: string): Promise<{ item: Item; delivery: Delivery } | undefined> => {
    const item = await dynamo.get(keyOf.delivery(id));
    const delivery = item && parse<Delivery>(item);
    return delivery?.account === account && isShown(delivery) ? { item: item!, delivery } : undefined;
  };
  const verbs: Pick<Outbox, 'createDelivery' | 'getDelivery' | 'listDeliveries' | 'replayDelivery'> = {
    async createDelivery(delivery) {
      await dynamo.transact(async () => {
        const { writes } = await quotas.take(delivery, 'pings');
        return { result: undefined, writes: [...newDeliveries([delivery]), ...writes] };
      });
    },
    async getDelivery(account, id) {
      return (await find(account, id))?.delivery ?? null;
    },
    async listDeliveries({ account, test, endpoint_id, job_id, cursor, limit }) {
      const index = job_id !== undefined ? 'job' : endpoint_id !== undefined ? 'endpoint' : 'list';
      const value = job_id ?? endpoint_id;
      const hash = value === undefined ? indexKeyOf.webhooks(account) : indexKeyOf.of(account, value);
      const { page, ...next } = await readPage<Delivery>(dynamo, {
        entries: (range) => dynamo.queryIndex(index, hash, range),
        prefix: 'msg',
        cursor,
        limit,
        filter: (delivery) =>
          isShown(delivery) &&
          test === Boolean(delivery.test) &&
          (endpoint_id === undefined || delivery.endpoint_id === endpoint_id),
      });
      return { deliveries: page, ...next };
    },
    async replayDelivery(account, id) {
      return dynamo.transact(async () => {
        const found = await find(account, id);
        if (!found) return { result: null, writes: [] };
        if (found.delivery.claimed) throw new AppError('conflict', `Delivery ${id} is being tried at this moment.`);
        const again = replayed(found.delivery, now());
        const { writes } = await quotas.take(again, 'pings');
        return { result: again, writes: [{ replace: { was: found.item, by: deliveryItem(again) } }, ...writes] };
      });
    },
  };
  return verbs;
}

function newDeliveries(deliveries: readonly Delivery[]): Write[] {
  return deliveries.map((delivery) => ({ replace: { was: null, by: deliveryItem(delivery) } }));
}
