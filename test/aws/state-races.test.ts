import type { DynamoDB } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDynamoStateStore } from '../../shared/adapters/aws/dynamo-state-store.ts';
import type { Batch } from '../../shared/batch.ts';
import type { Endpoint } from '../../shared/endpoint.ts';
import { createId } from '../../shared/id.ts';
import type { Job } from '../../shared/job.ts';
import { createApiKey } from '../../shared/keys.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { RESEND_SECONDS } from '../../shared/limits.ts';
import { webhookDelivery } from '../../shared/outbox.ts';
import type { StateStore } from '../../shared/ports.ts';
import { type Clock, createClock } from '../support/clock.ts';
import { createStateTable, type DynamoServer, startDynamoDbLocal } from '../support/dynamodb-local.ts';
import { interleave, STORM_ACCOUNT, stormFaults } from '../support/ledger-storm.ts';
import { outcomeOf } from '../support/outcome.ts';
import { createRandom } from '../support/random.ts';
import { sampleJob } from '../support/sample-job.ts';

/** Processes on DynamoDB Local that meet, die, or do not hear the outcome of their requests. */
let server: DynamoServer;
beforeAll(async () => {
  server = await startDynamoDbLocal();
});
afterAll(() => server.stop());

async function open() {
  const clock = createClock();
  const { client } = server;
  // As in state-store.test.ts.
  const { table, remove } = await createStateTable(client, { forgets: false });
  return { store: createDynamoStateStore({ client, table, now: clock.now }), clock, table, close: remove };
}

/** As the adapter tells of a process that no answer reaches any more. */
const DEAD = { code: 'unavailable', cause: { message: 'dead' } };

describe('DynamoDB: several processes', () => {
  let clock: Clock;
  let table: string;
  let stores: [StateStore, StateStore];
  let close: () => Promise<void>;
  beforeEach(async () => {
    const opened = await open();
    ({ clock, table, close } = opened);
    stores = [opened.store, createDynamoStateStore({ client: server.connect(), table, now: clock.now })];
    await stores[0].createAccount({ id: 'acc_one', name: 'one', created_at: iso(clock.now()) });
  });
  afterEach(() => close());

  it('make one job of 30 identical requests', async () => {
    await stores[0].topUp({ account: 'acc_one', amount: 100, payment: 'pay' });
    const { key, hash } = await createApiKey({ account: 'acc_one', name: 'key', scopes: [], now: clock.now() });
    await stores[0].createKey(key, hash);
    const response = { status: 202, headers: {}, body: '' };
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, i) => {
        const job = sampleJob(clock.now(), { key_id: key.id, price: 10 });
        return stores[i % 2]!.createJob(job, { key: 'k', fingerprint: 'f', response: { ...response, body: job.id } });
      }),
    );
    const bodies = new Set(outcomes.flatMap((outcome) => (outcome.created ? [] : [outcome.response.body])));
    expect(outcomes.filter(({ created }) => created)).toHaveLength(1);
    const { jobs } = await stores[1].listJobs({ account: 'acc_one', limit: 100 });
    expect(jobs.map(({ id }) => id)).toEqual([...bodies]);
    expect(await stores[1].getBalance('acc_one')).toBe(90);
    expect(await stores[1].listKeys('acc_one')).toMatchObject([{ spent: 10 }]);
    expect((await stores[1].getTotals()).jobs.queued).toBe(1);
  });

  it('keep to the spend cap of a key together', async () => {
    await stores[0].topUp({ account: 'acc_one', amount: 1000, payment: 'pay' });
    const given = { account: 'acc_one', name: 'key', scopes: [], spend_cap: 35, now: clock.now() };
    const { key, hash } = await createApiKey(given);
    await stores[0].createKey(key, hash);
    const jobs = Array.from({ length: 12 }, () => sampleJob(clock.now(), { key_id: key.id, price: 10 }));
    const outcomes = await Promise.all(jobs.map((job, i) => outcomeOf(stores[i % 2]!.createJob(job))));
    expect(outcomes.filter((code) => code === 'fulfilled')).toHaveLength(3);
    expect(outcomes.filter((code) => code === 'spend-cap-reached')).toHaveLength(9);
    expect(await stores[1].getBalance('acc_one')).toBe(970);
  });

  it('keep the rows of a job in order though their clocks differ', async () => {
    await stores[0].topUp({ account: 'acc_one', amount: 10, payment: 'pay' });
    clock.advance(1);
    const job = sampleJob(clock.now(), { price: 10 });
    await stores[0].createJob(job);
    clock.advance(-0.5);
    await stores[1].updateJob(job.id, { type: 'cancel' });
    const kinds = async (filter: object) =>
      (await stores[0].listLedger({ account: 'acc_one', ...filter })).map(({ kind }) => kind);
    expect(await kinds({})).toEqual(['top_up', 'reserve', 'release']);
    expect(await kinds({ job_id: job.id })).toEqual(['reserve', 'release']);
  });

  it('know their own writes when the answer was lost', async () => {
    const client = server.connect();
    const answered = new Set<unknown>();
    client.middlewareStack.add(
      (next) => async (args) => {
        const answer = await next(args);
        if (answered.has(args.input)) return answer;
        answered.add(args.input);
        throw lostAnswer();
      },
      { step: 'deserialize' },
    );
    const store = createDynamoStateStore({ client, table, now: clock.now });
    await store.topUp({ account: 'acc_one', amount: 10, payment: 'pay' });
    const job = sampleJob(clock.now(), { price: 10 });
    expect(await store.createJob(job)).toEqual({ created: true });
    expect(await store.updateJob(job.id, { type: 'claim' })).toMatchObject({ attempt: 1 });
    await store.updateJob(job.id, { type: 'give_back', attempt: 1 });
    await store.updateJob(job.id, { type: 'cancel' });
    expect(await store.updateJob(job.id, { type: 'delete' })).toHaveProperty('deleted_at');
    const secrets = [{ secret: 'whsec_one' }];
    const endpoint: Endpoint = { id: 'whe_one', account: 'acc_one', events: [], secrets, created_at: iso(clock.now()) };
    await store.createEndpoint(endpoint);
    const rotation = { type: 'rotate', secret: 'whsec_two', overlapSeconds: 60 } as const;
    expect((await store.updateEndpoint('acc_one', endpoint.id, rotation))?.secrets).toHaveLength(2);
    expect(await store.deleteEndpoint('acc_one', endpoint.id)).toBe(true);
    expect(await store.getBalance('acc_one')).toBe(10);
    client.destroy();
  });

  it('find a job by its idempotency key at once, though the index lags behind, and each once when it does not', async () => {
    const lagging = server.connect();
    lagging.middlewareStack.add(
      (next) => async (args) => {
        const { IndexName } = args.input as { IndexName?: string };
        return IndexName === undefined ? next(args) : { response: {}, output: { Items: [], $metadata: {} } };
      },
      { step: 'initialize' },
    );
    const behind = createDynamoStateStore({ client: lagging, table, now: clock.now });
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      const job = sampleJob(clock.now(), { idempotency_key: 'lost', ...(i === 2 && { end_user: 'user' }) });
      await stores[0].createJob(job);
      ids.unshift(job.id);
      clock.advance(1);
    }
    const listed = async (store: StateStore, more: object = {}) => {
      const { jobs, next_cursor } = await store.listJobs({
        account: 'acc_one',
        limit: 3,
        idempotency_key: 'lost',
        ...more,
      });
      return { ids: jobs.map(({ id }) => id), cursor: next_cursor };
    };
    for (const store of [behind, stores[1]]) {
      const first = await listed(store);
      expect(first.ids).toEqual(ids.slice(0, 3));
      expect((await listed(store, { cursor: first.cursor })).ids).toEqual(ids.slice(3));
      expect((await listed(store, { end_user: 'user' })).ids).toEqual([ids[2]]);
      expect((await listed(store, { account: 'acc_two' })).ids).toEqual([]);
      expect((await listed(store, { idempotency_key: 'other' })).ids).toEqual([]);
    }
    await stores[0].updateJob(ids[0]!, { type: 'cancel' });
    await stores[0].updateJob(ids[0]!, { type: 'delete' });
    expect((await listed(behind)).ids).toEqual(ids.slice(1, 4));
    lagging.destroy();
  });

  it('give each delivery to one of them, and a receiver no more than it can take', async () => {
    const endpoints = ['whe_a', 'whe_b', 'whe_c'];
    for (const endpoint_id of endpoints) {
      for (let i = 0; i < 3; i++) {
        const delivery = webhookDelivery(
          { account: 'acc_one', endpoint_id, type: 'webhook.ping', body: '' },
          clock.now(),
        );
        await stores[0].createDelivery(delivery);
      }
    }
    const claims = await Promise.all(Array.from({ length: 12 }, (_, i) => stores[i % 2]!.claimDelivery()));
    const claimed = claims.filter((delivery) => delivery !== null);
    expect(new Set(claimed.map(({ id }) => id)).size).toBe(claimed.length);
    expect(claimed.map(({ endpoint_id }) => endpoint_id).toSorted()).toEqual(endpoints.flatMap((id) => [id, id]));
  });
});

describe('DynamoDB: batches', () => {
  const COUNT = 100;
  let subject: Awaited<ReturnType<typeof open>>;
  beforeEach(async () => {
    subject = await open();
    await subject.store.createAccount({ id: 'acc_one', name: 'one', created_at: iso(subject.clock.now()) });
    await subject.store.topUp({ account: 'acc_one', amount: 10_000, payment: 'pay' });
  });
  afterEach(() => subject.close());

  function newBatch(): { batch: Batch; jobs: Job[] } {
    const now = subject.clock.now();
    const counts = { succeeded: 0, failed: 0, canceled: 0, expired: 0 };
    const batch: Batch = {
      id: createId('bat', now),
      account: 'acc_one',
      created_at: iso(now),
      job_count: COUNT,
      counts,
    };
    const jobs = Array.from({ length: COUNT }, (_, batch_index): Job => {
      const fetch_url = `https://example.com/${batch_index}`;
      // Half of them await their photo.
      const photo = batch_index % 2 ? { input: undefined, fetch_url } : {};
      return { ...sampleJob(now, { batch_id: batch.id, price: 10, ...photo }), batch_index };
    });
    return { batch, jobs };
  }
  const request = { key: 'k', fingerprint: 'f', response: { status: 201, headers: {}, body: '{}' } };
  /** A process that dies at its nth transaction. */
  const dyingAt = (nth: number) => {
    const client = server.connect();
    let transactions = 0;
    dieBefore(client, ({ commandName }) => commandName === 'TransactWriteItemsCommand' && ++transactions === nth);
    return createDynamoStateStore({ client, table: subject.table, now: subject.clock.now });
  };

  it('of as many jobs as there may be are stored once, however many ask for it at once', async () => {
    const { store } = subject;
    const asked = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const { batch, jobs } = newBatch();
        return { batch, creation: await store.createBatch(batch, jobs, request) };
      }),
    );
    const [created, ...more] = asked.filter(({ creation }) => creation.created);
    expect(more).toEqual([]);
    const { jobs } = await store.listJobs({ account: 'acc_one', limit: 100 });
    expect(await store.listJobs({ account: 'acc_one', batch_id: created!.batch.id, limit: 100 })).toEqual({ jobs });
    expect(jobs.map(({ batch_id }) => batch_id)).toEqual(Array(COUNT).fill(created!.batch.id));
    expect(await store.getBalance('acc_one')).toBe(10_000 - (COUNT / 2) * 10);
    expect(findLedgerProblems(await store.getStatement('acc_one'))).toEqual([]);
    expect((await store.getTotals()).jobs).toMatchObject({ queued: COUNT / 2, awaiting_upload: COUNT / 2 });
    const fetches = new Set<string>();
    for (let delivery = await store.claimDelivery(); delivery; delivery = await store.claimDelivery()) {
      fetches.add(delivery.job_id!);
      if (fetches.size === 3) break;
    }
    expect(jobs.filter(({ fetch_url }) => fetch_url).map(({ id }) => id)).toEqual(expect.arrayContaining([...fetches]));
    const reserved = jobs.find(({ input }) => input)!;
    await store.updateJob(reserved.id, { type: 'cancel' });
    const kinds = await store.listLedger({ account: 'acc_one', job_id: reserved.id });
    expect(kinds.map(({ kind, amount }) => [kind, amount])).toEqual([
      ['reserve', -10],
      ['release', 10],
    ]);
    expect((await store.getBatch(created!.batch.id))?.counts.canceled).toBe(1);
  });

  it.each([2, 3])('left behind at transaction %i do not exist, cost nothing and are cleared away', async (nth) => {
    const { store, clock, table } = subject;
    const before = await keysIn(table);
    const { batch, jobs } = newBatch();
    await expect(dyingAt(nth).createBatch(batch, jobs, request)).rejects.toMatchObject(DEAD);
    expect(await store.getBatch(batch.id)).toBeNull();
    expect(await store.getJob(jobs[0]!.id)).toBeNull();
    expect(await outcomeOf(store.updateJob(jobs[0]!.id, { type: 'sent' }))).toBe('not-found');
    for (const filter of [{}, { batch_id: batch.id }, { status: 'queued' as const }]) {
      expect((await store.listJobs({ account: 'acc_one', limit: 100, ...filter })).jobs).toEqual([]);
    }
    expect(await store.getTotals()).not.toHaveProperty('oldest_queued_at');
    expect(await store.claimDelivery()).toBeNull();
    expect(await store.getBalance('acc_one')).toBe(10_000);
    clock.advance(RESEND_SECONDS + 1);
    expect(await store.listDueJobs(100)).toEqual([]);
    clock.advance(900);
    expect(await store.listDueJobs(100)).toEqual([]);
    expect(await keysIn(table)).toEqual(before);
    const again = newBatch();
    expect(await store.createBatch(again.batch, again.jobs, request)).toEqual({ created: true });
  });

  it('that were given up cannot be completed any more, even where the sweep died half-way', async () => {
    const { store, clock, table } = subject;
    const before = await keysIn(table);
    const { batch, jobs } = newBatch();
    const sweeping = server.connect();
    dieBefore(sweeping, ({ commandName }) => commandName === 'BatchWriteItemCommand');
    const sweeper = createDynamoStateStore({ client: sweeping, table, now: clock.now });
    const slow = server.connect();
    let transactions = 0;
    slow.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === 'TransactWriteItemsCommand' && ++transactions === 3) {
          clock.advance(901);
          await expect(sweeper.listDueJobs(1)).rejects.toMatchObject(DEAD);
        }
        return next(args);
      },
      { step: 'initialize' },
    );
    const late = createDynamoStateStore({ client: slow, table, now: clock.now });
    expect(await outcomeOf(late.createBatch(batch, jobs, request))).toBe('unavailable');
    expect(await store.getBalance('acc_one')).toBe(10_000);
    expect(await store.getJob(jobs[0]!.id)).toBeNull();
    expect(await keysIn(table)).toEqual(before);
  });
});

describe('DynamoDB: a storm', () => {
  it('of jobs in four processes whose answers get lost moves no micro-unit to the wrong place', async () => {
    const { store, clock, table, close } = await open();
    await store.createAccount({ id: STORM_ACCOUNT, name: 'storm', created_at: iso(clock.now()) });
    await store.topUp({ account: STORM_ACCOUNT, amount: 100_000, payment: 'seed' });
    const lanes = Array.from({ length: 4 }, async (_, lane) => {
      const random = createRandom(11 + lane);
      const client = server.connect();
      client.middlewareStack.add(
        (next) => async (args) => {
          const answer = await next(args);
          if (random() < 0.02) throw lostAnswer();
          return answer;
        },
        { step: 'deserialize' },
      );
      const state = createDynamoStateStore({ client, table, now: clock.now });
      for (let i = 0; i < 50; i++) await interleave({ state, clock, random });
      client.destroy();
    });
    await Promise.all(lanes);
    expect(await stormFaults(store)).toEqual([]);
    const { jobs } = await store.getStatement(STORM_ACCOUNT);
    const statuses = Map.groupBy(jobs, ({ status }) => status);
    const totals = await store.getTotals();
    for (const [status, of] of statuses) expect([status, totals.jobs[status]]).toEqual([status, of.length]);
    const captured = jobs.filter(({ charge }) => charge.state === 'captured');
    expect(totals.captured).toBe(captured.reduce((sum, { charge }) => sum + charge.amount, 0));
    expect([...statuses.keys()]).toEqual(expect.arrayContaining(['succeeded', 'failed', 'canceled', 'expired']));
    await close();
  });
});

async function keysIn(table: string): Promise<string[]> {
  const { Items = [] } = await server.client.scan({ TableName: table });
  return Items.map(({ pk, sk }) => `${pk!.S} ${sk!.S}`).toSorted();
}

/** From the first request on that `isLast` tells, nothing of this client reaches the server. */
function dieBefore(client: DynamoDB, isLast: (request: { commandName?: string }) => boolean): void {
  let isDead = false;
  client.middlewareStack.add(
    (next, context) => (args) => {
      isDead ||= isLast(context);
      if (isDead) throw new Error('dead');
      return next(args);
    },
    { step: 'initialize' },
  );
}

/** As the SDK knows it, which then repeats the request. */
function lostAnswer(): Error {
  return Object.assign(new Error('The answer was lost.'), { name: 'TimeoutError' });
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
