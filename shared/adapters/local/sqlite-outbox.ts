import type { DatabaseSync } from 'node:sqlite';
import type { Batch } from '../../batch.ts';
import { afterAttempt, claimedDelivery, type Delivery, replayed } from '../../delivery.ts';
import { changeEndpoint, checkEndpointCount, type Endpoint, type EndpointChange } from '../../endpoint.ts';
import { AppError } from '../../error.ts';
import type { Job } from '../../job.ts';
import { type Lane, lineOf, mayGo, mayGoFrom } from '../../lanes.ts';
import { DELIVERY_RETENTION_SECONDS } from '../../limits.ts';
import { concernsEndpoint, deliveriesOf, deliveriesOfBatch, eventOf } from '../../outbox.ts';
import type { Outbox } from '../../outbox-port.ts';
import { transaction } from './database.ts';
import type { IdempotentAnswers } from './sqlite-idempotency.ts';
import type { Quotas } from './sqlite-quotas.ts';

export type SqliteOutbox = ReturnType<typeof createSqliteOutbox>;

/** Each new delivery clears away so many old ones: the table shrinks faster than it grows. */
const CLEARED_PER_DELIVERY = 2;

interface Parts {
  idempotency: IdempotentAnswers;
  quotas: Quotas;
  now: () => number;
}

/** Receivers and deliveries. */
export function createSqliteOutbox(db: DatabaseSync, { idempotency, quotas, now }: Parts) {
  const endpoints = createEndpoints(db, idempotency, now);
  const deliveries = createDeliveries(db, quotas, now);
  const verbs: Outbox = {
    ...endpoints.verbs,
    ...deliveries.verbs,
    async recordAttempt({ id, claim }, result) {
      return transaction(db, () => {
        const before = deliveries.find(id);
        if (!before) throw new AppError('not-found', `There is no delivery ${id}.`);
        if (before.claim !== claim) throw new AppError('lease-lost', `Delivery ${id} was claimed again.`);
        const { delivery, change } = afterAttempt(before, result, now());
        deliveries.replace(delivery);
        // A delivery about a deleted job is removed once it has ended.
        if (delivery.status !== 'pending') deliveries.eraseOfDeleted(delivery);
        const endpoint = delivery.endpoint_id && endpoints.find(delivery.account, delivery.endpoint_id);
        if (endpoint && change && concernsEndpoint(change, delivery, endpoint)) endpoints.change(endpoint, change);
        return delivery;
      });
    },
  };
  return {
    verbs,
    /** Inside the transaction in which the last job of the batch ends. */
    recordBatch(batch: Batch): void {
      const receivers = endpoints.list(batch.account);
      for (const delivery of deliveriesOfBatch(batch, receivers, now())) deliveries.insert(delivery);
    },
    /** Inside the transaction in which the job goes from `before` to `after`. */
    record(before: Job | null, after: Job): void {
      const receivers = eventOf(before, after) ? endpoints.list(after.account) : [];
      for (const delivery of deliveriesOf(before, after, receivers, now())) deliveries.insert(delivery);
      if (after.deleted_at && !before?.deleted_at) deliveries.eraseFinished(after.id);
    },
  };
}

function createEndpoints(db: DatabaseSync, idempotency: IdempotentAnswers, now: () => number) {
  const insert = db.prepare('INSERT INTO endpoints (id, data) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const select = db.prepare('SELECT data FROM endpoints WHERE account = ? AND id = ?');
  const selectAll = db.prepare('SELECT data FROM endpoints WHERE account = ? ORDER BY id');
  const update = db.prepare('UPDATE endpoints SET data = ? WHERE id = ?');
  const remove = db.prepare('DELETE FROM endpoints WHERE account = ? AND id = ?');
  const removeDeliveries = db.prepare('DELETE FROM deliveries WHERE endpoint_id = ?');

  const find = (account: string, id: string) => parse<Endpoint>(select.get(account, id));
  const list = (account: string) => selectAll.all(account).map((row) => parse<Endpoint>(row)!);
  const change = (endpoint: Endpoint, event: EndpointChange) => {
    const changed = changeEndpoint(endpoint, event, now());
    update.run(JSON.stringify(changed), endpoint.id);
    return changed;
  };
  return {
    find,
    list,
    change,
    verbs: {
      async createEndpoint(endpoint, request) {
        return idempotency.once(endpoint.account, request, () => {
          if (endpoint.url !== undefined) checkEndpointCount(list(endpoint.account));
          if (insert.run(endpoint.id, JSON.stringify(endpoint)).changes === 0) {
            throw new AppError('already-exists', `Account ${endpoint.account} has this endpoint already.`);
          }
          return [];
        });
      },
      getEndpoint: async (account, id) => find(account, id),
      listEndpoints: async (account) => list(account),
      async updateEndpoint(account, id, event, request) {
        idempotency.once(account, request, () => {
          const endpoint = find(account, id);
          if (endpoint) change(endpoint, event);
          return [];
        });
        return find(account, id);
      },
      async deleteEndpoint(account, id) {
        return transaction(db, () => {
          const isThere = remove.run(account, id).changes > 0;
          if (isThere) removeDeliveries.run(id);
          return isThere;
        });
      },
    } satisfies Partial<Outbox>,
  };
}

function createDeliveries(db: DatabaseSync, quotas: Quotas, now: () => number) {
  const insertOne = db.prepare('INSERT INTO deliveries (id, data) VALUES (?, ?)');
  const select = db.prepare('SELECT data FROM deliveries WHERE id = ?');
  const selectWebhook = db.prepare(`SELECT data FROM deliveries WHERE id = ? AND account = ? AND kind = 'webhook'`);
  const update = db.prepare('UPDATE deliveries SET data = ? WHERE id = ?');
  const eraseOfJob = db.prepare(`DELETE FROM deliveries WHERE job_id = ? AND status <> 'pending'`);
  const eraseOfDeleted = db.prepare(
    'DELETE FROM deliveries WHERE id = ? AND EXISTS (SELECT 1 FROM jobs WHERE id = ? AND deleted_at IS NOT NULL)',
  );
  const clear = db.prepare(
    `DELETE FROM deliveries WHERE id IN
       (SELECT id FROM deliveries WHERE status <> 'pending' AND data ->> 'created_at' < ?
        ORDER BY data ->> 'created_at' LIMIT ${CLEARED_PER_DELIVERY})`,
  );
  const preparePage = (condition: string) =>
    db.prepare(
      `SELECT data FROM deliveries WHERE kind = 'webhook' AND ${condition} AND id < ? ORDER BY id DESC LIMIT ?`,
    );
  // Each goes by its own index (the + keeps SQLite from others): an account may have a million deliveries.
  const selectPage = preparePage('account = ? AND test = ?');
  const selectPageOfEndpoint = preparePage('+account = ? AND test = ? AND endpoint_id = ?');
  const selectPageOfJob = preparePage('+account = ? AND +test = ? AND job_id = ?');
  const selectPageOfBoth = preparePage('+account = ? AND +test = ? AND job_id = ? AND +endpoint_id = ?');

  const findDue = createDueFinder(db, now);
  const find = (id: string) => parse<Delivery>(select.get(id));
  const replace = (delivery: Delivery) => {
    update.run(JSON.stringify(delivery), delivery.id);
    return delivery;
  };
  const insert = (delivery: Delivery) => {
    clear.run(new Date(now() - DELIVERY_RETENTION_SECONDS * 1000).toISOString());
    insertOne.run(delivery.id, JSON.stringify(delivery));
  };
  return {
    find,
    insert,
    replace,
    /** The rest is cleared away by age. */
    eraseFinished: (jobId: string) => eraseOfJob.run(jobId),
    eraseOfDeleted: ({ id, job_id = '' }: Delivery) => eraseOfDeleted.run(id, job_id),
    verbs: {
      async createDelivery(delivery) {
        transaction(db, () => {
          quotas.take(delivery, 'pings');
          insert(delivery);
        });
      },
      getDelivery: async (account, id) => parse<Delivery>(selectWebhook.get(id, account)),
      async listDeliveries({ account, test, endpoint_id, job_id, cursor, limit }) {
        const ofJob = endpoint_id === undefined ? selectPageOfJob : selectPageOfBoth;
        const ofAccount = endpoint_id === undefined ? selectPage : selectPageOfEndpoint;
        const given = [account, test ? 1 : 0, job_id, endpoint_id].filter((value) => value !== undefined);
        const before = cursor === undefined ? '~' : idBefore(cursor);
        const rows = (job_id === undefined ? ofAccount : ofJob).all(...given, before, limit + 1);
        const found = rows.map((row) => parse<Delivery>(row)!);
        const page = found.slice(0, limit);
        const last = page.at(-1);
        return found.length > limit && last
          ? { deliveries: page, next_cursor: Buffer.from(last.id).toString('base64url') }
          : { deliveries: page };
      },
      async claimDelivery(free = Number.POSITIVE_INFINITY) {
        // Most looks find nothing: those take no write lock.
        if (!findDue(free)) return null;
        return transaction(db, () => {
          const delivery = findDue(free);
          return delivery && replace(claimedDelivery(delivery, now()));
        });
      },
      async replayDelivery(account, id) {
        return transaction(db, () => {
          const delivery = parse<Delivery>(selectWebhook.get(id, account));
          if (delivery?.claimed) throw new AppError('conflict', `Delivery ${id} is being tried at this moment.`);
          if (delivery) quotas.take(delivery, 'pings');
          return delivery && replace(replayed(delivery, now()));
        });
      },
    } satisfies Partial<Outbox>,
  };
}

/** The most overdue delivery of those that have a lane. */
function createDueFinder(db: DatabaseSync, now: () => number) {
  const selectUnderway = db.prepare(
    'SELECT sender, target FROM deliveries INDEXED BY deliveries_claimed WHERE claimed IS NOT NULL AND due_at > ?',
  );
  const selectSenders = db.prepare('SELECT sender FROM senders WHERE next_due <= ? ORDER BY next_due');
  const selectReceivers = db.prepare(
    'SELECT target, next_due FROM receivers WHERE sender = ? AND next_due <= ? ORDER BY next_due',
  );
  const selectDue = db.prepare('SELECT data FROM deliveries WHERE sender = ? AND target = ? AND due_at = ? LIMIT 1');
  return (free: number): Delivery | null => {
    const time = now();
    const lines = Map.groupBy(selectUnderway.all(time) as unknown as Lane[], ({ sender }) => lineOf(sender));
    for (const { sender } of selectSenders.iterate(time) as Iterable<{ sender: string }>) {
      const underway = lines.get(lineOf(sender)) ?? [];
      if (!mayGoFrom(underway, sender, free)) continue;
      for (const row of selectReceivers.iterate(sender, time)) {
        const { target, next_due } = row as { target: string; next_due: number };
        if (mayGo(underway, { sender, target }, free)) return parse<Delivery>(selectDue.get(sender, target, next_due));
      }
    }
    return null;
  };
}

function idBefore(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString();
  if (/^msg_[0-9a-z]{26}$/.test(id)) return id;
  throw new AppError('malformed', `cursor "${cursor}" is not a next_cursor of this list.`);
}

function parse<T>(row: Record<string, unknown> | undefined): T | null {
  return row ? (JSON.parse(row.data as string) as T) : null;
}
