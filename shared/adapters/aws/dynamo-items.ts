import { createHash } from 'node:crypto';
import type { Delivery } from '../../delivery.ts';
import type { Job } from '../../job.ts';
import { DELIVERY_RETENTION_SECONDS } from '../../limits.ts';
import { SHARDS } from './dynamo-table.ts';

/**
 * What is in the table. Most items keep their thing as JSON in `data`, as the SQLite adapter does, and beside it only
 * what indexes and conditions need; `revision` counts how often they were replaced. Items that count have plain numbers,
 * which are added to.
 *
 * None comes near the 400 KB that an item may have: the largest are the stored answer to a batch (100 jobs, some 60 KB)
 * and the rows of its reservations (some 20 KB); bodies of requests end at 64 KB.
 */
export interface Key {
  pk: string;
  sk: string;
}

export type Item = Key & Record<string, unknown>;

export const keyOf = {
  /** `data`, `balance` in micro-units. */
  account: (account: string): Key => ({ pk: `ACC#${account}`, sk: 'ACCOUNT' }),
  /** A ledger row. Its key is what makes it happen once: a job is reserved once, and captured or released once. */
  reservation: (account: string, job: string): Key => ({ pk: `ACC#${account}`, sk: `LED#JOB#${job}#1` }),
  settlement: (account: string, job: string): Key => ({ pk: `ACC#${account}`, sk: `LED#JOB#${job}#2` }),
  payment: (account: string, payment: string): Key => ({ pk: `ACC#${account}`, sk: `LED#PAY#${payment}` }),
  /** The reservations of all jobs of a batch: more rows than fit into one transaction. */
  batchReservation: (account: string, batch: string): Key => ({ pk: `ACC#${account}`, sk: `LED#BATCH#${batch}` }),
  /** Counts `jobs`, `succeeded` and `captured`. */
  usage: (account: string, mode: 'live' | 'test', day: string, model: string): Key => {
    return { pk: `ACC#${account}`, sk: `USAGE#${mode}#${day}#${model}` };
  },
  endpoint: (account: string, id: string): Key => ({ pk: `ACC#${account}`, sk: `WHE#${id}` }),
  /** That the account has its endpoint without `url`. */
  signer: (account: string): Key => ({ pk: `ACC#${account}`, sk: 'SIGNER' }),
  job: (id: string): Key => ({ pk: `JOB#${id}`, sk: 'JOB' }),
  /** With the ids of its `jobs`; while it is not complete also `open`, the keys of all that came with it. */
  batch: (id: string): Key => ({ pk: `BAT#${id}`, sk: 'BATCH' }),
  upload: (id: string): Key => ({ pk: `UPL#${id}`, sk: 'UPLOAD' }),
  /** With `hash` of its secret, and `earlier` secrets with the time until which they are valid. */
  apiKey: (id: string): Key => ({ pk: `KEY#${id}`, sk: 'KEY' }),
  /** Counts `unfinished` jobs of the key, and what it has `spent`. */
  keyUse: (id: string): Key => ({ pk: `KEY#${id}`, sk: 'USE' }),
  /** Counts its jobs as `used`. */
  clientToken: (id: string): Key => ({ pk: `TOK#${id}`, sk: 'TOKEN' }),
  /** `key_id`, of a client token also `token_id`. */
  secret: (hash: string): Key => ({ pk: `SECRET#${hash}`, sk: 'SECRET' }),
  idempotency: (account: string, key: string): Key => ({ pk: `IDEM#${account}#${key}`, sk: 'IDEM' }),
  delivery: (id: string): Key => ({ pk: `MSG#${id}`, sk: 'DELIVERY' }),
  /** The deliveries that are being tried to one receiver. */
  target: (target: string): Key => ({ pk: `TARGET#${target}`, sk: 'TARGET' }),
  /** One item a model: few jobs end at the same moment. */
  pace: (model: string): Key => ({ pk: 'PACES', sk: `PACE#${model}` }),
  totals: (shard: number): Key => ({ pk: `TOTALS#${shard}`, sk: 'TOTALS' }),
};

/** Hash keys of the indexes (dynamo-table.ts). */
export const indexKeyOf = {
  accounts: () => 'ACCOUNTS',
  jobs: (account: string) => `JOBS#${account}`,
  deletedJobs: (account: string) => `DELETED#${account}`,
  webhooks: (account: string) => `WEBHOOKS#${account}`,
  apiKeys: (account: string) => `KEYS#${account}`,
  /** Of things of an account that have something in common. */
  of: (account: string, value: string) => `${account}#${value}`,
  due: (kind: 'JOB' | 'DELIVERY' | 'UPLOAD' | 'BATCH', shard: number) => `${kind}#${shard}`,
  queued: (shard: number) => `QUEUED#${shard}`,
};

export function parse<T>(item: Item): T {
  return JSON.parse(item.data as string) as T;
}

/** `seal`: the batch that it comes with, until which is complete nobody may see it. */
export function jobItem(job: Job, seal?: string): Item {
  const { id, account, status, due_at } = job;
  const shard = shardOf(id);
  const of = (value: string | undefined) => {
    return value === undefined || job.deleted_at ? undefined : indexKeyOf.of(account, value);
  };
  return {
    ...keyOf.job(id),
    data: JSON.stringify(job),
    sort: id,
    list_of: job.deleted_at ? indexKeyOf.deletedJobs(account) : indexKeyOf.jobs(account),
    status_of: of(status),
    upload_of: of(job.upload_id),
    reference_of: of(job.client_reference),
    request_of: of(job.idempotency_key),
    user_of: of(job.end_user),
    queued_of: status === 'queued' ? indexKeyOf.queued(shard) : undefined,
    due_of: due_at === undefined ? undefined : indexKeyOf.due('JOB', shard),
    due_at,
    seal,
  };
}

/** `seal`: as of a job. */
export function deliveryItem(delivery: Delivery, seal?: string): Item {
  const { id, account, kind, job_id, endpoint_id, due_at, status, created_at } = delivery;
  const keptUntil = Date.parse(created_at) + DELIVERY_RETENTION_SECONDS * 1000;
  return {
    ...keyOf.delivery(id),
    data: JSON.stringify(delivery),
    sort: id,
    list_of: kind === 'webhook' ? indexKeyOf.webhooks(account) : undefined,
    job_of: job_id && indexKeyOf.of(account, job_id),
    endpoint_of: endpoint_id && indexKeyOf.of(account, endpoint_id),
    due_of: due_at === undefined ? undefined : indexKeyOf.due('DELIVERY', shardOf(id)),
    due_at,
    target: targetOf(delivery),
    expires_at_seconds: status === 'pending' ? undefined : seconds(keptUntil),
    seal,
  };
}

/** Its receiver, in few characters: a URL may be longer than a key. */
export function targetOf({ account, url, endpoint_id }: Delivery): string {
  return createHash('sha256')
    .update(JSON.stringify([account, url ?? endpoint_id]))
    .digest('base64url');
}

export function shardOf(id: string): number {
  let sum = 0;
  for (const character of id) sum += character.charCodeAt(0);
  return sum % SHARDS;
}

/** For the attribute by which the table deletes: never earlier than the time in milliseconds. */
export function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000);
}
