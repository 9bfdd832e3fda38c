import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eraseAccount, eraseJobs } from '../../shared/erase-owner.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import type { Job, JobEvent } from '../../shared/job.ts';
import { createApiKey } from '../../shared/keys.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import { BATCH_RETENTION_SECONDS, IDEMPOTENCY_SECONDS, RECORD_SECONDS } from '../../shared/limits.ts';
import type { StateStore } from '../../shared/ports.ts';
import type { Clock } from '../support/clock.ts';
import { outcomeOf } from '../support/outcome.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';
import type { StateStoreUnderTest } from './state-store.contract.ts';

const ACCOUNT = 'acc_one';
/** Not every sweep looks everywhere. */
const MINUTES = 60;

/** Duties of every StateStore to forget, and to keep. */
export function stateClearingContract(name: string, open: () => Promise<StateStoreUnderTest>): void {
  describe(`${name}: old records`, () => {
    let subject: StateStoreUnderTest;
    let store: StateStore;
    let clock: Clock;
    beforeEach(async () => {
      subject = await open();
      ({ store, clock } = subject);
      await store.createAccount({ id: ACCOUNT, name: 'One', created_at: new Date(clock.now()).toISOString() });
      await store.topUp({ account: ACCOUNT, amount: 1000, payment: 'pay' });
    });
    afterEach(() => subject.close());

    async function jobAfter(events: JobEvent[], changes: Parameters<typeof sampleJob>[1] = {}): Promise<Job> {
      const job = sampleJob(clock.now(), { price: 7, ...changes });
      await store.createJob(job);
      for (const event of events) await store.updateJob(job.id, event);
      return job;
    }
    async function clear(): Promise<number> {
      let count = 0;
      for (let minute = 0; minute < MINUTES; minute++) {
        count += await store.clearOld(100);
        clock.advance(60);
      }
      return count;
    }
    const succeed: JobEvent[] = [{ type: 'claim' }, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] }];
    const fail: JobEvent[] = [
      { type: 'claim' },
      { type: 'fail', attempt: 1, error: new AppError('engine-failed', 'x') },
    ];

    it('jobs become sums, and the money of the account does not change', async () => {
      const purge: JobEvent = { type: 'purge' };
      const old = [
        await jobAfter([...succeed, purge]),
        await jobAfter([...succeed, { type: 'delete' }, purge]),
        await jobAfter([...fail, purge]),
        await jobAfter([{ type: 'cancel' }, purge]),
        await jobAfter([{ type: 'expire' }, purge], { input: undefined }),
        await jobAfter([...succeed, purge], { test: true, price: 0 }),
      ];
      const id = createId('bat', clock.now());
      const counts = { succeeded: 0, failed: 0, canceled: 0, expired: 0 };
      const batch = { id, account: ACCOUNT, created_at: new Date(clock.now()).toISOString(), job_count: 2, counts };
      const items = [0, 1].map((batch_index) => ({
        ...sampleJob(clock.now(), { batch_id: id, price: 5 }),
        batch_index,
      }));
      await store.createBatch(batch, items);
      for (const event of [...succeed, purge]) await store.updateJob(items[0]!.id, event);
      old.push(items[0]!);
      const kept = [items[1]!, await jobAfter(succeed)]; // nobody has erased the result
      clock.advance(RECORD_SECONDS - 3600);
      expect(await clear()).toBeLessThanOrEqual(1); // the batch
      for (const job of [...old, ...kept]) expect(await store.getJob(job.id)).not.toBeNull();
      const totals = await store.getTotals();
      const usage = { account: ACCOUNT, test: false, from: '2020-01-01', to: '2020-12-31' };
      const day = new Date(clock.now()).getUTCFullYear();
      const used = await store.getUsage({ ...usage, from: `${day - 1}-12-01`, to: `${day}-12-31` });

      clock.advance(3600);
      const young = await jobAfter(succeed);
      expect(await clear()).toBe(old.length);
      for (const job of old) {
        expect(await store.getJob(job.id)).toBeNull();
        expect(await store.listLedger({ account: ACCOUNT, job_id: job.id })).toEqual([]);
      }
      for (const job of [...kept, young]) expect(await store.getJob(job.id)).not.toBeNull();
      const statement = await store.getStatement(ACCOUNT);
      expect(findLedgerProblems(statement)).toEqual([]);
      expect(statement.balance).toBe(1000 - 7 - 7 - 5 - 5 - 7 - 7);
      const [sum, ...rest] = statement.entries.filter(({ kind }) => kind === 'jobs');
      expect(rest).toEqual([]);
      expect(sum).toMatchObject({ jobs: old.length, amount: -19, account: ACCOUNT });
      expect(await clear()).toBe(0);
      const after = await store.getTotals();
      expect(after.captured).toBe(totals.captured + 7);
      expect(after.jobs.failed).toBe(totals.jobs.failed);
      const again = await store.getUsage({ ...usage, from: `${day - 1}-12-01`, to: `${day}-12-31` });
      expect(again[0]).toEqual(used[0]);
      // A payment is booked once for ever.
      await store.topUp({ account: ACCOUNT, amount: 1000, payment: 'pay' });
      expect(await store.getBalance(ACCOUNT)).toBe(statement.balance);
    });

    it.each([
      ['of the account', {}],
      ['of an end user', { end_user: 'erika' }],
      ['of test mode', { test: true as const, price: 0 }],
    ])('a deleted job %s is gone for a repeat, and its key is nowhere', async (_, owner) => {
      const idempotency_key = 'mail-to-erika@example.org';
      const space = { ...('test' in owner && { test: true }), ...('end_user' in owner && { end_user: 'erika' }) };
      const key =
        Object.keys(space).length === 0 ? idempotency_key : JSON.stringify({ ...space, key: idempotency_key });
      const request = {
        key,
        fingerprint: 'one',
        response: { status: 202, headers: {}, body: '{"reference":"erika"}' },
      };
      const job = sampleJob(clock.now(), { ...owner, idempotency_key });
      await store.createJob(job, request);
      await store.updateJob(job.id, { type: 'cancel' });
      expect(await store.findIdempotent(ACCOUNT, request)).toEqual(request.response);
      await store.updateJob(job.id, { type: 'delete' });
      expect(await outcomeOf(store.findIdempotent(ACCOUNT, request))).toBe('gone');
      expect(await outcomeOf(store.createJob(sampleJob(clock.now()), request))).toBe('gone');
      const other = { ...request, fingerprint: 'other' };
      expect(await outcomeOf(store.findIdempotent(ACCOUNT, other))).toBe('idempotency-key-reused');
      clock.advance(IDEMPOTENCY_SECONDS + 1);
      expect((await store.createJob(sampleJob(clock.now(), { idempotency_key, ...owner }), request)).created).toBe(
        true,
      );
    });

    it('forgets an end user, and nobody else', async () => {
      const jobs = await Promise.all(
        [{ end_user: 'erika' }, { end_user: 'erika', test: true as const, price: 0 }, { end_user: 'hans' }, {}].map(
          (owner) => jobAfter([{ type: 'claim' }], owner),
        ),
      );
      const [live, test, other, own] = jobs.map(({ id }) => id);
      for (const id of [live!, other!, own!]) await store.updateJob(id, succeed[1]!);
      const erased = await eraseJobs(store, { account: ACCOUNT, end_user: 'erika' });
      expect(erased).toEqual({ jobs: 1, running: 1 });
      await store.updateJob(test!, { type: 'give_back', attempt: 1 });
      expect(await eraseJobs(store, { account: ACCOUNT, end_user: 'erika' })).toEqual({ jobs: 1, running: 0 });
      for (const id of [live!, test!]) expect((await store.getJob(id))?.deleted_at).toBeDefined();
      for (const id of [other!, own!]) expect((await store.getJob(id))?.deleted_at).toBeUndefined();
      expect((await store.listJobs({ account: ACCOUNT, end_user: 'erika', limit: 10 })).jobs).toEqual([]);
      expect(findLedgerProblems(await store.getStatement(ACCOUNT))).toEqual([]);
    });

    it('erases an account but for its money', async () => {
      await store.createAccount({ id: 'acc_two', name: 'Two', created_at: new Date(clock.now()).toISOString() });
      const secrets = [];
      for (const account of [ACCOUNT, 'acc_two']) {
        const given = { account, name: 'Erika', now: clock.now(), allowed_origins: ['https://a.example'] };
        const { key, hash } = await createApiKey({ ...given, scopes: ['jobs:read'] });
        await store.createKey(key, hash);
        secrets.push(hash);
      }
      await store.createEndpoint({
        id: createId('whe', clock.now()),
        account: ACCOUNT,
        url: 'https://erika.example/hook',
        events: [],
        secrets: [{ secret: 'whsec_one' }],
        created_at: new Date(clock.now()).toISOString(),
      });
      const done = await jobAfter(succeed, { client_reference: 'erika' });
      const waiting = await jobAfter([]);
      const other = await jobAfter(succeed, { account: 'acc_two', price: 0 });
      const balance = await store.getBalance(ACCOUNT);
      expect(await eraseAccount(store, ACCOUNT)).toEqual({ jobs: 2, running: 0 });
      for (const { id } of [done, waiting]) expect((await store.getJob(id))?.deleted_at).toBeDefined();
      expect((await store.getJob(other.id))?.deleted_at).toBeUndefined();
      expect(await store.getAccount(ACCOUNT)).toMatchObject({ id: ACCOUNT, name: '' });
      expect(await store.listEndpoints(ACCOUNT)).toEqual([]);
      expect(await store.findKey(secrets[0]!)).toMatchObject({ name: '', revoked_at: expect.any(String) });
      expect(await store.findKey(secrets[0]!)).not.toHaveProperty('allowed_origins');
      expect(await store.findKey(secrets[1]!)).toMatchObject({ name: 'Erika', allowed_origins: ['https://a.example'] });
      expect(await store.getBalance(ACCOUNT)).toBe(balance + 7);
      expect(findLedgerProblems(await store.getStatement(ACCOUNT))).toEqual([]);
      expect(await eraseAccount(store, ACCOUNT)).toEqual({ jobs: 0, running: 0 });
      expect(await outcomeOf(eraseAccount(store, 'acc_none'))).toBe('not-found');
    });

    it('batches are kept longer than anything of their jobs', () => {
      expect(BATCH_RETENTION_SECONDS).toBeGreaterThan((30 + 7) * 86_400);
      expect(RECORD_SECONDS).toBeGreaterThan(BATCH_RETENTION_SECONDS);
    });
  });
}
