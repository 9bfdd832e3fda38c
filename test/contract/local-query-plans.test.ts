import { afterEach, beforeEach, expect, test } from 'vitest';
import { recoverAfterCrash } from '../../shared/adapters/local/database.ts';
import { createSqliteJobQueue } from '../../shared/adapters/local/sqlite-job-queue.ts';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import { MAX_PARALLEL_DELIVERIES } from '../../shared/limits.ts';
import { webhookDelivery } from '../../shared/outbox.ts';
import type { JobFilter } from '../../shared/ports.ts';
import { makeDirectory, openLocalStores } from '../support/local-stores.ts';

/** Tables that grow with the jobs. Those of accounts, keys, endpoints, models and counters do not. */
const GROWING = [
  'jobs',
  'uploads',
  'ledger',
  'idempotency',
  'deliveries',
  'due',
  'busy',
  'receivers',
  'senders',
  'messages',
  'batches',
];
/** Indexes of few rows: those alive, in a store of any age. */
const SMALL_INDEXES = ['jobs_queued', 'jobs_unfinished', 'jobs_unfinished_of_key', 'deliveries_claimed'];

const WAITING = 20_000;

const now = () => Date.parse('2026-01-01T00:00:00.000Z');
let directory: Awaited<ReturnType<typeof makeDirectory>>;
let stores: ReturnType<typeof openLocalStores>;

beforeEach(async () => {
  directory = await makeDirectory();
  stores = openLocalStores(directory.directory);
});
afterEach(async () => {
  stores.database.close();
  await directory.remove();
});

/** Every statement that the adapters prepare, or run at a start. */
async function statements(): Promise<Set<string>> {
  const { database } = stores;
  const all = new Set<string>();
  const prepare = database.prepare.bind(database);
  const exec = database.exec.bind(database);
  database.prepare = (sql) => {
    all.add(sql);
    return prepare(sql);
  };
  database.exec = (sql) => {
    for (const part of sql.split(';')) if (/^\s*(UPDATE|DELETE|INSERT)/.test(part)) all.add(part);
    exec(sql);
  };
  const state = createSqliteStateStore(database, { now });
  createSqliteJobQueue(database, { name: 'jobs', now, deadLetters: 'dead-letters' });
  recoverAfterCrash(database);
  for (const filter of filters()) await state.listJobs(filter);
  return all;
}

function* filters(): Generator<JobFilter> {
  const values = { idempotency_key: 'k', batch_id: 'b', upload_id: 'u', client_reference: 'r', end_user: 'e' };
  const cursor = Buffer.from(`job_${'0'.repeat(26)}`).toString('base64url');
  for (const [name, value] of [...Object.entries(values), ['account', 'a']] as [string, string][]) {
    for (const test of [undefined, false]) {
      for (const status of [undefined, 'queued'] as const) {
        for (const from of [undefined, cursor]) {
          yield { account: 'a', limit: 20, [name]: value, test, status, cursor: from };
        }
      }
    }
  }
}

function planOf(sql: string): string[] {
  return stores.database
    .prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .all()
    .map(({ detail }) => String(detail));
}

test('no statement goes through a table that grows with the jobs', async () => {
  const all = await statements();
  expect(all.size).toBeGreaterThan(80);
  const scans = [...all].flatMap((sql) =>
    planOf(sql)
      .filter((detail) => GROWING.some((table) => new RegExp(`^SCAN ${table}\\b`).test(detail)))
      .filter((detail) => !SMALL_INDEXES.some((index) => detail.endsWith(` USING INDEX ${index}`)))
      .map((detail) => `${detail}: ${sql}`),
  );
  expect(scans).toEqual([]);
});

test('only the accounts, and the few rows of one job, are sorted', async () => {
  const sorts = [...(await statements())].filter((sql) => planOf(sql).some((detail) => detail.startsWith('USE TEMP')));
  expect(sorts.map((sql) => /FROM .*/.exec(sql)?.[0])).toEqual([
    'FROM ledger WHERE +account = ? AND job_id = ? ORDER BY position',
    'FROM accounts ORDER BY created_at, id',
  ]);
});

test('a scan of a table is seen', () => {
  expect(planOf(`SELECT data FROM jobs WHERE data ->> 'prompt' = ''`)).toEqual(['SCAN jobs']);
});

/** As many of these as wait, with an id each, and other fields set by `sql` from its number `i`. */
function insertWaiting(delivery: object, sql = ''): void {
  stores.database
    .prepare(
      `WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < ${WAITING})
       INSERT INTO deliveries SELECT 'msg_' || i, json_set(?, '$.id', 'msg_' || i ${sql}) FROM number`,
    )
    .run(JSON.stringify(delivery));
}

/** How often a row is read in `work`. */
async function readsIn(work: () => Promise<void>): Promise<number> {
  // SQLite reads fields of rows by this function; several times in each.
  let reads = 0;
  stores.database.function('->>', { deterministic: true }, (row, field) => {
    reads++;
    const value = JSON.parse(String(row))[String(field)] ?? null;
    return value === true ? 1 : value;
  });
  await work();
  return reads;
}

test('a receiver that has enough is passed over at once, however many wait for it', async () => {
  const { database, state, clock } = stores;
  const deliveryTo = (endpoint_id: string) =>
    webhookDelivery({ account: 'acc_one', endpoint_id, type: 'webhook.ping', body: '{}' }, clock.now());
  await state.createAccount({ id: 'acc_one', name: 'One', created_at: new Date(now()).toISOString() });
  insertWaiting(deliveryTo('whe_slow'));
  clock.advance(1);
  await state.createDelivery(deliveryTo('whe_other'));
  const claimed = async () => (await state.claimDelivery())?.endpoint_id;
  for (let i = 0; i < MAX_PARALLEL_DELIVERIES; i++) expect(await claimed()).toBe('whe_slow');
  const reads = await readsIn(async () => {
    expect(await claimed()).toBe('whe_other');
    expect(await claimed()).toBeUndefined();
  });
  expect(reads).toBeGreaterThan(0);
  expect(reads).toBeLessThan(100);
  const all = await readsIn(async () => database.exec(`SELECT 1 FROM deliveries WHERE data ->> 'kind' = ''`));
  expect(all).toBeGreaterThanOrEqual(WAITING);
});

test('an account that has its share is passed over at once, however many addresses it names', async () => {
  const { state, clock } = stores;
  const created_at = new Date(now()).toISOString();
  for (const id of ['acc_one', 'acc_two']) await state.createAccount({ id, name: id, created_at });
  const fetchOf = (account: string) => {
    const { endpoint_id: _none, ...delivery } = webhookDelivery({ account, endpoint_id: '' }, clock.now());
    return { ...delivery, kind: 'input' as const, url: 'https://example.com/' };
  };
  insertWaiting(fetchOf('acc_one'), ", '$.url', 'https://example.com/' || i");
  clock.advance(1);
  await state.createDelivery(fetchOf('acc_two'));
  const claimed = async (free: number) => (await state.claimDelivery(free))?.account;
  expect([await claimed(3), await claimed(2)]).toEqual(['acc_one', 'acc_one']);
  const reads = await readsIn(async () => {
    expect(await claimed(1)).toBe('acc_two');
    expect(await claimed(0)).toBeUndefined();
  });
  expect(reads).toBeGreaterThan(0);
  expect(reads).toBeLessThan(150);
});
