import { createHash } from 'node:crypto';
import type { Delivery } from '../../delivery.ts';
import type { Job } from '../../job.ts';
import { senderOf } from '../../lanes.ts';
import { DELIVERY_RETENTION_SECONDS } from '../../limits.ts';
import { type Urgency, urgencyOf } from '../../urgency.ts';
import { SHARDS } from './dynamo-table.ts';

/**
 * The items of the table. Most keep their thing as JSON in `data`, as the SQLite adapter does, and beside it only the
 * attributes that indexes and conditions need; `revision` counts how often they were replaced. Items that count have
 * plain numbers, which are added to.
 *
 * None comes near the 400 KB that an item may have: the largest are the stored answer to a batch (100 jobs, some 60 KB)
 * and the rows of its reservations (some 20 KB); bodies of requests end at 64 KB.
 */
export interface Key {
  pk: string;
  sk: string;
}

export type Item = Key & Record<string, unknown>;

type Mode = 'live' | 'test';

export function modeOf({ test }: { test?: true }): Mode {
  return test ? 'test' : 'live';
}

export const keyOf = {
  /** `data`, `balance` in micro-units. */
  account: (account: string): Key => ({ pk: `ACC#${account}`, sk: 'ACCOUNT' }),
  /** A ledger row. Its key makes it happen once: a job is reserved once, and captured or released once. */
  reservation: (account: string, job: string): Key => ({ pk: `ACC#${account}`, sk: `LED#JOB#${job}#1` }),
  settlement: (account: string, job: string): Key => ({ pk: `ACC#${account}`, sk: `LED#JOB#${job}#2` }),
  payment: (account: string, payment: string): Key => ({ pk: `ACC#${account}`, sk: `LED#PAY#${payment}` }),
  /** The cost of jobs that are no longer kept one by one, by month: before all other rows. */
  sum: (account: string, month: string): Key => ({ pk: `ACC#${account}`, sk: `LED##${month}` }),
  /** The reservations of all jobs of a batch: more rows than fit into one transaction. */
  batchReservation: (account: string, batch: string): Key => ({ pk: `ACC#${account}`, sk: `LED#BATCH#${batch}` }),
  /** Counts `unfinished` jobs of the account. */
  accountUse: (account: string, mode: Mode): Key => ({ pk: `ACC#${account}`, sk: `USE#${mode}` }),
  /** Counts `files` that are idle (shared/caps.ts), and their `bytes`. */
  idleFiles: (account: string, mode: Mode): Key => ({ pk: `ACC#${account}`, sk: `FILES#${mode}` }),
  /** `full_at` of a token bucket. */
  quota: (account: string, mode: Mode, policy: string): Key => ({ pk: `ACC#${account}`, sk: `RATE#${mode}#${policy}` }),
  /** Counts `jobs`, `succeeded` and `captured`. */
  usage: (account: string, mode: Mode, day: string, model: string): Key => {
    return { pk: `ACC#${account}`, sk: `USAGE#${mode}#${day}#${model}` };
  },
  endpoint: (account: string, id: string): Key => ({ pk: `ACC#${account}`, sk: `WHE#${id}` }),
  /** Written with each new endpoint that has a URL, so that no two are added at once. */
  endpoints: (account: string): Key => ({ pk: `ACC#${account}`, sk: 'ENDPOINTS' }),
  /** That the account has its endpoint without `url`. */
  signer: (account: string): Key => ({ pk: `ACC#${account}`, sk: 'SIGNER' }),
  job: (id: string): Key => ({ pk: `JOB#${id}`, sk: 'JOB' }),
  /** With the ids of its `jobs`; while it is not complete also `open`, the keys of all that came with it. */
  batch: (id: string): Key => ({ pk: `BAT#${id}`, sk: 'BATCH' }),
  /** `idle`: counted as such. */
  upload: (id: string): Key => ({ pk: `UPL#${id}`, sk: 'UPLOAD' }),
  /** With `hash` of its secret, and `earlier` secrets with the time until which they are valid. */
  apiKey: (id: string): Key => ({ pk: `KEY#${id}`, sk: 'KEY' }),
  /** Counts `unfinished` jobs of the key, and the amount that it has `spent`. */
  keyUse: (id: string): Key => ({ pk: `KEY#${id}`, sk: 'USE' }),
  /** Counts its jobs as `used`, and its `files`. */
  clientToken: (id: string): Key => ({ pk: `TOK#${id}`, sk: 'TOKEN' }),
  /** `key_id`, of a client token also `token_id`. */
  secret: (hash: string): Key => ({ pk: `SECRET#${hash}`, sk: 'SECRET' }),
  /** That the job came with this Idempotency-Key; until the index `request` surely knows it. */
  request: (account: string, key: string, job: string): Key => ({ pk: `REQ#${account}#${key}`, sk: job }),
  idempotency: (account: string, key: string): Key => ({ pk: `IDEM#${account}#${key}`, sk: 'IDEM' }),
  delivery: (id: string): Key => ({ pk: `MSG#${id}`, sk: 'DELIVERY' }),
  /** The deliveries that are being tried in one line (shared/lanes.ts). */
  line: (line: string): Key => ({ pk: `LINE#${line}`, sk: 'LINE' }),
  /** One item a model: few jobs end at the same moment. */
  pace: (model: string): Key => ({ pk: 'PACES', sk: `PACE#${model}` }),
  totals: (shard: number): Key => ({ pk: `TOTALS#${shard}`, sk: 'TOTALS' }),
};

/** Kinds of due items: jobs by their urgency. */
export type DueKind = Urgency | 'DELIVERY' | 'UPLOAD' | 'BATCH';

/** Hash keys of the indexes (dynamo-table.ts). */
export const indexKeyOf = {
  accounts: () => 'ACCOUNTS',
  jobs: (account: string) => `JOBS#${account}`,
  deletedJobs: (account: string) => `DELETED#${account}`,
  webhooks: (account: string) => `WEBHOOKS#${account}`,
  apiKeys: (account: string) => `KEYS#${account}`,
  /** Of things of an account that have something in common. */
  of: (account: string, value: string) => `${account}#${value}`,
  due: (kind: DueKind, shard: number) => `${kind}#${shard}`,
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
    due_of: due_at === undefined ? undefined : indexKeyOf.due(urgencyOf(job), shard),
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

/** Its sender, a slash, and its receiver in few characters: a URL may be longer than a key. */
export function targetOf(delivery: Delivery): string {
  const receiver = delivery.url ?? delivery.endpoint_id ?? '';
  return `${senderOf(delivery)}/${createHash('sha256').update(receiver).digest('base64url')}`;
}

export function shardOf(id: string, shards = SHARDS): number {
  let sum = 0;
  for (const character of id) sum += character.charCodeAt(0);
  return sum % shards;
}

/** For the attribute by which the table deletes: never earlier than the time in milliseconds. */
export function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000);
}
