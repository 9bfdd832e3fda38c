import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import type { Idempotency } from '../../shared/idempotency.ts';
import type { Job, JobEvent } from '../../shared/job.ts';
import { createApiKey } from '../../shared/keys.ts';
import { findLedgerProblems } from '../../shared/ledger.ts';
import {
  IDEMPOTENCY_SECONDS,
  LEASE_SECONDS,
  MAX_RETENTION_HOURS,
  RESEND_SECONDS,
  UPLOAD_RETENTION_SECONDS,
} from '../../shared/limits.ts';
import type { StateStore, Upload } from '../../shared/ports.ts';
import type { Clock } from '../support/clock.ts';
import { outcomeOf } from '../support/outcome.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';

export interface StateStoreUnderTest {
  /** Empty. */
  store: StateStore;
  /** The time by the store. */
  clock: Clock;
  close(): Promise<void>;
}

/** Duties of every StateStore. */
export function stateStoreContract(name: string, open: () => Promise<StateStoreUnderTest>): void {
  describe(`${name}: state store`, () => {
    let subject: StateStoreUnderTest;
    let store: StateStore;
    let clock: Clock;

    beforeEach(async () => {
      subject = await open();
      ({ store, clock } = subject);
      for (const id of ['acc_one', 'acc_two'])
        await store.createAccount({ id, name: id, created_at: iso(clock.now()) });
    });
    afterEach(() => subject.close());

    const newJob = (changes?: Parameters<typeof sampleJob>[1]) => sampleJob(clock.now(), changes);
    const stored = async (changes?: Parameters<typeof sampleJob>[1]) => {
      const job = newJob(changes);
      await store.createJob(job);
      return job;
    };
    const claimed = async (job: Job) => store.updateJob(job.id, { type: 'claim' });
    const request = (key: string, changes: Partial<Idempotency> = {}): Idempotency => ({
      key,
      fingerprint: 'one',
      response: { status: 202, headers: { Location: '/v1/jobs/1' }, body: '{"a":"ä"}' },
      ...changes,
    });
    const expectBalanced = async (account = 'acc_one') => {
      const entries = await store.listLedger({ account });
      expect(await store.getBalance(account)).toBe(entries.reduce((sum, { amount }) => sum + amount, 0));
    };

    describe('totals', () => {
      it('are of all accounts, and follow every job and its charge', async () => {
        for (const account of ['acc_one', 'acc_two']) await store.topUp({ account, amount: 1000, payment: 'pay' });
        expect(await store.getTotals()).toMatchObject({ jobs: { queued: 0, succeeded: 0 }, captured: 0, released: 0 });
        const [paid, free] = [await stored({ price: 300 }), await stored({ account: 'acc_two', price: 300 })];
        clock.advance(10);
        await stored();
        expect(await store.getTotals()).toMatchObject({ jobs: { queued: 3 }, oldest_queued_at: paid.created_at });
        await claimed(paid);
        await store.updateJob(paid.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] });
        await store.updateJob(free.id, { type: 'cancel' });
        expect(await store.getTotals()).toMatchObject({
          jobs: { queued: 1, starting: 0, succeeded: 1, canceled: 1 },
          oldest_queued_at: iso(clock.now()),
          captured: 300,
          released: 300,
        });
      });

      it('tell the open and the done work of each model, and nothing of canceled jobs or of test mode', async () => {
        expect((await store.getTotals()).work).toEqual({});
        const { parameters } = sampleJob(clock.now());
        const size = { bytes: 1234, format: 'png' } as const;
        const [small, large] = [
          { ...size, width: 1000, height: 200 },
          { ...size, width: 2000, height: 1000 },
        ];
        const fast = { ...parameters, model: 'real-esrgan-fast' } as const;
        const [one, two, three, canceled] = [
          await stored({ input: small }),
          await stored({ input: large }),
          await stored({ input: small, parameters: fast }),
          await stored({ input: large }),
        ];
        await stored({ input: large, test: true });
        const late = await stored({ input: undefined });
        const id = createId('bat', clock.now());
        const none = { succeeded: 0, failed: 0, canceled: 0, expired: 0 };
        const batch = { id, account: 'acc_one', created_at: iso(clock.now()), job_count: 2, counts: none };
        const items = [0, 1].map((batch_index) => {
          return { ...sampleJob(clock.now(), { batch_id: id, input: small }), batch_index };
        });
        await store.createBatch(batch, items);
        const counts = (open: [number, number], done: [number, number]) => ({
          open_jobs: open[0],
          open_work: open[1] * 1e6,
          done_jobs: done[0],
          done_work: done[1] * 1e6,
        });
        expect((await store.getTotals()).work).toEqual({
          'real-esrgan': counts([5, 4.6], [0, 0]),
          'real-esrgan-fast': counts([1, 0.2], [0, 0]),
        });
        await store.updateJob(late.id, { type: 'uploaded', input: large, price: 0 });
        await store.updateJob(canceled.id, { type: 'cancel' });
        for (const job of [one, two, three]) await claimed(job);
        await store.updateJob(one.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] });
        await store.updateJob(one.id, { type: 'delete' });
        await store.updateJob(two.id, { type: 'give_back', attempt: 1 });
        const error = new AppError('image-unreadable', 'It is broken.');
        await store.updateJob(three.id, { type: 'fail', attempt: 1, error });
        expect((await store.getTotals()).work).toEqual({
          'real-esrgan': counts([4, 4.4], [1, 0.2]),
          'real-esrgan-fast': counts([0, 0], [1, 0.2]),
        });
      });
    });

    describe('paces', () => {
      it('sum up the time of jobs of a model, the latest most, and keep the time of its last load', async () => {
        expect(await store.getPaces()).toEqual({});
        await store.recordPace('real-esrgan', { seconds: 10, work: 2, loadSeconds: 3 });
        clock.advance(5);
        await store.recordPace('real-esrgan', { seconds: 1, work: 1 });
        await store.recordPace('seesr', { seconds: 80, work: 4 });
        const at = iso(clock.now());
        // A job counts for a tenth less with each that comes after it.
        expect(await store.getPaces()).toEqual({
          'real-esrgan': { jobs: 1.9, seconds: 10, work: 2.8, load_seconds: 3, at },
          seesr: { jobs: 1, seconds: 80, work: 4, at },
        });
      });
    });

    describe('accounts and money', () => {
      it('keeps accounts and refuses a taken id', async () => {
        expect(await store.getAccount('acc_none')).toBeNull();
        expect(await store.getAccount('acc_one')).toEqual({
          id: 'acc_one',
          name: 'acc_one',
          created_at: iso(clock.now()),
        });
        const again = store.createAccount({ id: 'acc_one', name: 'x', created_at: iso(clock.now()) });
        expect(await outcomeOf(again)).toBe('already-exists');
      });

      it('tops up once for each payment', async () => {
        expect(await store.getBalance('acc_one')).toBe(0);
        const payment = { account: 'acc_one', amount: 500, payment: 'pay_1' };
        await Promise.all(Array.from({ length: 10 }, () => store.topUp(payment)));
        await store.topUp({ ...payment, payment: 'pay_2' });
        expect(await store.getBalance('acc_one')).toBe(1000);
        expect(await store.getBalance('acc_two')).toBe(0);
        const kinds = (await store.listLedger({ account: 'acc_one' })).map(({ kind, amount }) => [kind, amount]);
        expect(kinds).toEqual([
          ['top_up', 500],
          ['top_up', 500],
        ]);
      });

      it.each([0, -1, 0.5, Number.NaN])('refuses a top-up of %s', async (amount) => {
        expect(await outcomeOf(store.topUp({ account: 'acc_one', amount, payment: 'p' }))).toBe('invalid');
        expect(await store.getBalance('acc_one')).toBe(0);
      });

      it('refuses to top up and to charge an unknown account', async () => {
        expect(await outcomeOf(store.topUp({ account: 'acc_none', amount: 1, payment: 'p' }))).toBe('not-found');
        expect(await outcomeOf(store.createJob(newJob({ account: 'acc_none' })))).toBe('not-found');
      });

      it('lets 9 of 30 simultaneous jobs through when the credit is for 9', async () => {
        await store.topUp({ account: 'acc_one', amount: 95, payment: 'pay' });
        const jobs = Array.from({ length: 30 }, () => newJob({ price: 10 }));
        const outcomes = await Promise.all(jobs.map((job) => outcomeOf(store.createJob(job))));
        expect(outcomes.filter((code) => code === 'fulfilled')).toHaveLength(9);
        expect(outcomes.filter((code) => code === 'insufficient-credit')).toHaveLength(21);
        expect(await store.getBalance('acc_one')).toBe(5);
        expect((await store.listJobs({ account: 'acc_one', limit: 100 })).jobs).toHaveLength(9);
        await expectBalanced();
      });

      it('writes the ledger of a job: reserve, then capture of nothing more', async () => {
        await store.topUp({ account: 'acc_one', amount: 100, payment: 'pay' });
        const job = await stored({ price: 30 });
        await claimed(job);
        clock.advance(1);
        await store.updateJob(job.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] });
        const entries = await store.listLedger({ account: 'acc_one', job_id: job.id });
        expect(entries).toMatchObject([
          { account: 'acc_one', job_id: job.id, kind: 'reserve', amount: -30 },
          { account: 'acc_one', job_id: job.id, kind: 'capture', amount: 0, created_at: iso(clock.now()) },
        ]);
        expect(await store.getBalance('acc_one')).toBe(70);
        await expectBalanced();
      });

      it('gives the price back once, however often and by whomever the job is ended', async () => {
        await store.topUp({ account: 'acc_one', amount: 100, payment: 'pay' });
        const job = await stored({ price: 30 });
        const error = new AppError('worker-lost', 'lost');
        const ends = [
          ...Array.from({ length: 5 }, () => store.updateJob(job.id, { type: 'fail', error })),
          store.updateJob(job.id, { type: 'cancel' }),
        ];
        const outcomes = await Promise.all(ends.map(outcomeOf));
        expect(outcomes.filter((code) => code === 'fulfilled')).toHaveLength(1);
        const kinds = (await store.listLedger({ account: 'acc_one', job_id: job.id })).map(({ kind }) => kind);
        expect(kinds).toEqual(['reserve', 'release']);
        expect(await store.getBalance('acc_one')).toBe(100);
        await expectBalanced();
      });

      it('keeps the balance equal to the sum of the ledger at all events', async () => {
        const error = new AppError('engine-failed', 'x');
        const events: JobEvent[] = [
          { type: 'claim' },
          { type: 'claim' },
          { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] },
          { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] },
          { type: 'give_back', attempt: 1, error },
          { type: 'fail', error },
          { type: 'cancel' },
          { type: 'delete' },
        ];
        const step = fc.oneof(
          fc.record({ topUp: fc.integer({ min: 1, max: 50 }), payment: fc.constantFrom('a', 'b', 'c') }),
          fc.record({ price: fc.integer({ min: 0, max: 20 }) }),
          fc.record({ event: fc.constantFrom(...events), job: fc.nat(3) }),
        );
        const ids: string[] = [];
        for (const given of fc.sample(step, { numRuns: 150, seed: 7 })) {
          if ('topUp' in given) await store.topUp({ account: 'acc_one', amount: given.topUp, payment: given.payment });
          else if ('price' in given) {
            const job = newJob({ price: given.price });
            if ((await outcomeOf(store.createJob(job))) === 'fulfilled') ids.push(job.id);
          } else await outcomeOf(store.updateJob(ids.at(-1 - given.job) ?? 'job_none', given.event));
          await expectBalanced();
        }
        const kinds = new Set((await store.listLedger({ account: 'acc_one' })).map(({ kind }) => kind));
        expect(kinds).toEqual(new Set(['top_up', 'reserve', 'capture', 'release']));
      });

      it('reserves the price of a job that awaited its photo when the photo is there, or refuses it', async () => {
        await store.topUp({ account: 'acc_one', amount: 50, payment: 'pay' });
        const job = await stored({ input: undefined });
        expect(await store.listLedger({ account: 'acc_one', job_id: job.id })).toEqual([]);
        const { input } = newJob();
        const uploaded = (price: number) => store.updateJob(job.id, { type: 'uploaded', input: input!, price });
        expect(await outcomeOf(uploaded(51))).toBe('insufficient-credit');
        expect(await store.getJob(job.id)).toEqual(JSON.parse(JSON.stringify(job)));
        expect(await uploaded(50)).toMatchObject({ status: 'queued', charge: { state: 'reserved', amount: 50 } });
        expect(await uploaded(50)).toMatchObject({ status: 'queued', version: 2 });
        expect(await store.getBalance('acc_one')).toBe(0);
        await store.updateJob(job.id, { type: 'cancel' });
        expect(await store.getBalance('acc_one')).toBe(50);
        await expectBalanced();
      });

      it('writes nothing for a job that ends before its photo came', async () => {
        const jobs = [await stored({ input: undefined }), await stored({ input: undefined })];
        await store.updateJob(jobs[0]!.id, { type: 'expire' });
        await store.updateJob(jobs[1]!.id, { type: 'cancel' });
        expect(await store.listLedger({ account: 'acc_one' })).toEqual([]);
      });

      it('gives a statement of one account, in which nothing is wrong', async () => {
        await store.topUp({ account: 'acc_one', amount: 100, payment: 'pay' });
        const rate = { minimum: 30, per_output_megapixel: 0 };
        const done = await stored({ price: 30, rate });
        const { input, parameters } = done;
        await claimed(done);
        await store.updateJob(done.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] });
        const awaiting = await stored({ input: undefined });
        await stored({ account: 'acc_two' });
        const statement = await store.getStatement('acc_one');
        expect(statement.balance).toBe(70);
        expect(statement.entries).toEqual(await store.listLedger({ account: 'acc_one' }));
        expect(statement.jobs.toSorted((a, b) => a.charge.amount - b.charge.amount)).toEqual([
          { id: awaiting.id, status: 'awaiting_upload', charge: { state: 'pending', amount: 0 }, parameters },
          { id: done.id, status: 'succeeded', charge: { state: 'captured', amount: 30 }, input, parameters, rate },
        ]);
        expect(findLedgerProblems(statement)).toEqual([]);
        const dear = {
          ...statement,
          jobs: statement.jobs.map((job) => ({ ...job, ...(job.rate && { rate: { ...rate, minimum: 31 } }) })),
        };
        expect(findLedgerProblems(dear)).toHaveLength(1);
        expect(await outcomeOf(store.getStatement('acc_none'))).toBe('not-found');
      });

      it('lists the accounts', async () => {
        expect((await store.listAccounts()).map(({ id }) => id)).toEqual(['acc_one', 'acc_two']);
      });

      it('counts jobs and their cost by day and model, deleted ones too, those of test mode apart', async () => {
        await store.topUp({ account: 'acc_one', amount: 100, payment: 'pay' });
        const fast = { ...newJob().parameters, model: 'real-esrgan-fast' } as const;
        const done = await stored({ price: 30 });
        await claimed(done);
        await store.updateJob(done.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] });
        await store.updateJob(done.id, { type: 'delete' });
        await stored({ price: 20 });
        await stored({ test: true });
        await stored({ account: 'acc_two' });
        clock.advance(86_400);
        await stored({ price: 5, parameters: fast });
        clock.advance(86_400);
        await stored();
        const usage = (from: string, to: string, test = false) =>
          store.getUsage({ account: 'acc_one', test, from, to });
        const model = 'real-esrgan';
        expect(await usage('2026-01-01', '2026-01-02')).toEqual([
          { day: '2026-01-01', model, jobs: 2, succeeded: 1, captured: 30 },
          { day: '2026-01-02', model: 'real-esrgan-fast', jobs: 1, succeeded: 0, captured: 0 },
        ]);
        expect(await usage('2026-01-03', '2026-01-03')).toHaveLength(1);
        expect(await usage('2025-01-01', '2025-12-31')).toEqual([]);
        expect(await usage('2026-01-01', '2026-01-01', true)).toMatchObject([{ jobs: 1 }]);
        expect(await outcomeOf(usage('2026-01-02', '2026-01-01'))).toBe('invalid');
      });

      it('shows the ledger of a job to its account only', async () => {
        const job = await stored();
        expect(await store.listLedger({ account: 'acc_two', job_id: job.id })).toEqual([]);
      });
    });

    describe('keys', () => {
      it('finds a key by its hash, also when revoked, and lists the oldest first', async () => {
        const keys = [];
        for (const name of ['first', 'second', 'third']) {
          const { key, hash } = await createApiKey({
            account: 'acc_one',
            name,
            scopes: ['jobs:read'],
            now: clock.now(),
          });
          await store.createKey(key, hash);
          keys.push({ key, hash });
          clock.advance(1);
        }
        expect(await store.findKey('0'.repeat(64))).toBeNull();
        expect(await store.listKeys('acc_one')).toEqual(keys.map(({ key }) => ({ ...key, spent: 0 })));
        expect(await store.listKeys('acc_two')).toEqual([]);

        const { key, hash } = keys[1]!;
        expect(await store.revokeKey('acc_two', key.id)).toBeNull();
        expect(await store.findKey(hash)).toEqual(key);
        const revoked = { ...key, revoked_at: iso(clock.now()) };
        expect(await store.revokeKey('acc_one', key.id)).toEqual(revoked);
        clock.advance(60);
        expect(await store.revokeKey('acc_one', key.id)).toEqual(revoked);
        expect(await store.findKey(hash)).toEqual(revoked);
      });
    });

    describe('uploads', () => {
      const announce = async (): Promise<Upload> => {
        const id = createId('upl', clock.now());
        const upload = {
          id,
          account: 'acc_one',
          key: `in/acc_one/${id}`,
          content_type: 'image/png',
          bytes: 5,
          created_at: iso(clock.now()),
          expires_at: iso(clock.now() + 900_000),
        };
        await store.createUpload(upload);
        return upload;
      };

      it('keeps an upload until it is deleted', async () => {
        const upload = await announce();
        expect(await store.getUpload(upload.id)).toEqual(upload);
        await store.deleteUpload(upload.id);
        await store.deleteUpload(upload.id);
        expect(await store.getUpload(upload.id)).toBeNull();
      });

      it('calls an upload stale when it is old and no unfinished job needs it', async () => {
        const unused = await announce();
        const needed = await announce();
        const shared = await announce();
        const job = await stored({ upload_id: needed.id });
        const ended = await stored({ upload_id: shared.id });
        const alive = await stored({ upload_id: shared.id, input: undefined });
        await store.updateJob(ended.id, { type: 'cancel' });
        clock.advance(UPLOAD_RETENTION_SECONDS - 1);
        const fresh = await announce();
        expect(await store.listStaleUploads(10)).toEqual([]);
        clock.advance(2);
        expect(await store.listStaleUploads(10)).toEqual([unused]);
        await store.updateJob(job.id, { type: 'cancel' });
        await store.updateJob(alive.id, { type: 'expire' });
        const ids = (await store.listStaleUploads(10)).map(({ id }) => id);
        expect(ids.toSorted()).toEqual([unused.id, needed.id, shared.id].toSorted());
        const [one, two] = await store.listStaleUploads(2);
        expect(await store.listStaleUploads(2, two)).toHaveLength(1);
        const [next] = await store.listStaleUploads(1, one);
        const [last] = await store.listStaleUploads(1, next);
        expect([one!.id, next!.id, last!.id].toSorted()).toEqual(ids.toSorted());
        expect(await store.listStaleUploads(1, last)).toEqual([]);
        expect(ids).not.toContain(fresh.id);
      });
    });

    describe('idempotency', () => {
      it('makes one job of 20 identical requests and answers all alike', async () => {
        await store.topUp({ account: 'acc_one', amount: 100, payment: 'pay' });
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, (_, i) => {
            const job = newJob({ price: 10, idempotency_key: 'k' });
            return store.createJob(job, request('k', { response: { status: 202, headers: {}, body: `answer ${i}` } }));
          }),
        );
        const replayed = outcomes.flatMap((outcome) => (outcome.created ? [] : [outcome.response.body]));
        expect(replayed).toHaveLength(19);
        expect(new Set(replayed).size).toBe(1);
        const kept = await store.findIdempotent('acc_one', { key: 'k', fingerprint: 'one' });
        expect(kept?.body).toBe(replayed[0]);
        expect((await store.listJobs({ account: 'acc_one', limit: 100 })).jobs).toHaveLength(1);
        expect(await store.getBalance('acc_one')).toBe(90);
      });

      it('replays the stored answer unchanged, for this account and key only', async () => {
        const given = request('k');
        expect(await store.findIdempotent('acc_one', given)).toBeNull();
        expect(await store.createJob(newJob(), given)).toEqual({ created: true });
        const later = request('k', { response: { status: 500, headers: {}, body: '' } });
        expect(await store.createJob(newJob(), later)).toEqual({ created: false, response: given.response });
        expect(await store.findIdempotent('acc_one', later)).toEqual(given.response);
        expect(await store.findIdempotent('acc_two', given)).toBeNull();
        expect(await store.findIdempotent('acc_one', request('K'))).toBeNull();
        expect(await store.createJob(newJob({ account: 'acc_two' }), given)).toEqual({ created: true });
      });

      it('refuses the same key for another request', async () => {
        await store.createJob(newJob(), request('k'));
        const other = request('k', { fingerprint: 'two' });
        const job = newJob();
        expect(await outcomeOf(store.createJob(job, other))).toBe('idempotency-key-reused');
        expect(await outcomeOf(store.findIdempotent('acc_one', other))).toBe('idempotency-key-reused');
        expect(await store.getJob(job.id)).toBeNull();
      });

      it('keeps no answer of a job that was refused', async () => {
        const job = newJob({ price: 10 });
        expect(await outcomeOf(store.createJob(job, request('k')))).toBe('insufficient-credit');
        expect(await store.findIdempotent('acc_one', request('k'))).toBeNull();
        expect(await store.getJob(job.id)).toBeNull();
        expect(await store.listLedger({ account: 'acc_one' })).toEqual([]);
        await store.topUp({ account: 'acc_one', amount: 10, payment: 'pay' });
        expect(await store.createJob(job, request('k'))).toEqual({ created: true });
      });

      it('forgets after IDEMPOTENCY_SECONDS, and not because the clock went back', async () => {
        await store.createJob(newJob(), request('k'));
        clock.advance(-3600);
        expect(await store.createJob(newJob(), request('k'))).toMatchObject({ created: false });
        clock.advance(3600 + IDEMPOTENCY_SECONDS - 1);
        expect(await store.createJob(newJob(), request('k'))).toMatchObject({ created: false });
        clock.advance(2);
        expect(await store.findIdempotent('acc_one', request('k'))).toBeNull();
        expect(await store.createJob(newJob(), request('k', { fingerprint: 'two' }))).toEqual({ created: true });
        expect(await outcomeOf(store.createJob(newJob(), request('k')))).toBe('idempotency-key-reused');
      });
    });

    describe('jobs', () => {
      it('gives a job back as it was stored, with every character', async () => {
        const job = await stored({ client_reference: `'"\\\u0000ä🐕`, idempotency_key: 'k', input: undefined });
        expect(await store.getJob(job.id)).toEqual(JSON.parse(JSON.stringify(job)));
        expect(await store.getJob('job_none')).toBeNull();
      });

      it('creates a job once and changes none that is not there', async () => {
        const job = await stored();
        await claimed(job);
        await expect(store.createJob(job)).rejects.toThrow();
        expect(await store.getJob(job.id)).toMatchObject({ status: 'starting' });
        expect(await outcomeOf(store.updateJob('job_none', { type: 'claim' }))).toBe('not-found');
      });

      it('returns the stored job, and stores nothing when the event is refused', async () => {
        const job = await stored();
        const after = await claimed(job);
        expect(after).toMatchObject({ status: 'starting', attempt: 1, version: 2 });
        expect(await store.getJob(job.id)).toEqual(after);
        expect(await outcomeOf(store.updateJob(job.id, { type: 'delete' }))).toBe('not-finished');
        expect(await store.getJob(job.id)).toEqual(after);
      });

      it('lets one of ten simultaneous claims win', async () => {
        const job = await stored();
        const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcomeOf(claimed(job))));
        expect(outcomes.filter((code) => code === 'fulfilled')).toHaveLength(1);
        expect(outcomes.filter((code) => code === 'lease-held')).toHaveLength(9);
        expect((await store.getJob(job.id))?.attempt).toBe(1);
      });

      it('refuses every write of an attempt that lost the job', async () => {
        const job = await stored();
        await claimed(job);
        clock.advance(LEASE_SECONDS + 1);
        const second = await claimed(job);
        expect(second.attempt).toBe(2);
        const error = new AppError('engine-failed', 'x');
        const events: JobEvent[] = [
          { type: 'heartbeat', attempt: 1 },
          { type: 'progress', attempt: 1, progress: { percent: 5, stage: 'upscale' } },
          { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] },
          { type: 'fail', attempt: 1, error },
          { type: 'give_back', attempt: 1 },
          { type: 'checkpoint', attempt: 1, checkpoint: { key: 'out/x', step: 1 } },
        ];
        for (const event of events) expect(await outcomeOf(store.updateJob(job.id, event))).toBe('lease-lost');
        expect(await store.getJob(job.id)).toEqual(second);
      });

      it('lets an attempt go on after the clock jumped, unless another took the job', async () => {
        const job = await stored();
        await claimed(job);
        clock.advance(10 * LEASE_SECONDS);
        const beating = await store.updateJob(job.id, { type: 'heartbeat', attempt: 1 });
        expect(beating.lease_until).toBe(clock.now() + LEASE_SECONDS * 1000);
        expect(await outcomeOf(claimed(job))).toBe('lease-held');
        clock.advance(-20 * LEASE_SECONDS);
        expect(await outcomeOf(claimed(job))).toBe('lease-held');
        await store.updateJob(job.id, { type: 'heartbeat', attempt: 1 });
        clock.advance(LEASE_SECONDS + 1);
        expect((await claimed(job)).attempt).toBe(2);
        expect(await outcomeOf(store.updateJob(job.id, { type: 'heartbeat', attempt: 1 }))).toBe('lease-lost');
      });

      it('lists the newest first in pages that do not overlap', async () => {
        const ids: string[] = [];
        for (let i = 0; i < 7; i++) {
          ids.unshift((await stored()).id);
          clock.advance(1);
        }
        await stored({ account: 'acc_two' });
        const pages: string[][] = [];
        let cursor: string | undefined;
        do {
          const page = await store.listJobs({ account: 'acc_one', limit: 3, cursor });
          pages.push(page.jobs.map(({ id }) => id));
          cursor = page.next_cursor;
          await stored(); // newer than the listed ones: must not shift the pages
        } while (cursor);
        expect(pages).toEqual([ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)]);
      });

      it('has no next page where the last one is full', async () => {
        for (let i = 0; i < 4; i++) await stored();
        const { next_cursor } = await store.listJobs({ account: 'acc_one', limit: 2 });
        const last = await store.listJobs({ account: 'acc_one', limit: 2, cursor: next_cursor });
        expect(last.jobs).toHaveLength(2);
        expect(last.next_cursor).toBeUndefined();
      });

      it.each(['', 'x', 'not a cursor', '../../etc', 'am9i'])('refuses the cursor "%s"', async (cursor) => {
        expect(await outcomeOf(store.listJobs({ account: 'acc_one', limit: 1, cursor }))).toBe('malformed');
      });

      it('filters by everything that it says, alone and together', async () => {
        const a = await stored({ client_reference: 'r', upload_id: 'upl_1' });
        const b = await stored({ client_reference: 'r', idempotency_key: 'k', upload_id: 'upl_2' });
        const c = await stored({ upload_id: 'upl_1', input: undefined });
        await stored({ account: 'acc_two', client_reference: 'r', idempotency_key: 'k', upload_id: 'upl_1' });
        const found = async (filter: object) => {
          const { jobs } = await store.listJobs({ account: 'acc_one', limit: 10, ...filter });
          return jobs.map(({ id }) => id).toSorted();
        };
        expect(await found({ client_reference: 'r' })).toEqual([a.id, b.id].toSorted());
        expect(await found({ idempotency_key: 'k' })).toEqual([b.id]);
        expect(await found({ upload_id: 'upl_1' })).toEqual([a.id, c.id].toSorted());
        expect(await found({ status: 'queued' })).toEqual([a.id, b.id].toSorted());
        expect(await found({ status: 'awaiting_upload', upload_id: 'upl_1' })).toEqual([c.id]);
        expect(await found({ client_reference: 'r', upload_id: 'upl_2', status: 'succeeded' })).toEqual([]);
        await claimed(a);
        expect(await found({ status: 'queued' })).toEqual([b.id]);
        expect(await found({ status: 'starting', client_reference: 'r' })).toEqual([a.id]);
      });

      it('lists no deleted job, still gives it, and has erased the reference', async () => {
        const job = await stored({ client_reference: 'a name', idempotency_key: 'k' });
        await store.updateJob(job.id, { type: 'cancel' });
        await store.updateJob(job.id, { type: 'delete' });
        for (const filter of [
          {},
          { client_reference: 'a name' },
          { idempotency_key: 'k' },
          { upload_id: job.upload_id },
        ]) {
          expect((await store.listJobs({ account: 'acc_one', limit: 10, ...filter })).jobs).toEqual([]);
        }
        const kept = await store.getJob(job.id);
        expect(kept?.deleted_at).toBe(iso(clock.now()));
        expect(kept).not.toHaveProperty('client_reference');
      });

      it('tells which jobs are due, the most overdue first', async () => {
        const unsent = await stored();
        const sent = await stored();
        await store.updateJob(sent.id, { type: 'sent' });
        clock.advance(1);
        const later = await stored();
        expect(await store.listDueJobs(10)).toEqual([]);
        clock.advance(RESEND_SECONDS);
        expect((await store.listDueJobs(10)).map(({ id }) => id)).toEqual([unsent.id, later.id]);
        expect((await store.listDueJobs(1)).map(({ id }) => id)).toEqual([unsent.id]);
        await store.updateJob(unsent.id, { type: 'cancel' });
        await store.updateJob(unsent.id, { type: 'delete' });
        await store.updateJob(later.id, { type: 'sent' });
        expect((await store.listDueJobs(10)).map(({ id }) => id)).toEqual([unsent.id]);
        await store.updateJob(unsent.id, { type: 'purge' });
        expect(await store.listDueJobs(10)).toEqual([]);
      });

      it('tells jobs that somebody waits for before those that were deleted, and these before old results', async () => {
        const over = await stored();
        const { attempt } = await store.updateJob(over.id, { type: 'claim' });
        await store.updateJob(over.id, { type: 'succeed', attempt, output: SAMPLE_OUTPUT, notes: [] });
        clock.advance(MAX_RETENTION_HOURS * 3600);
        const deleted = await stored();
        await store.updateJob(deleted.id, { type: 'cancel' });
        await store.updateJob(deleted.id, { type: 'delete' });
        const lost = await stored();
        await store.updateJob(lost.id, { type: 'claim' });
        clock.advance(1);
        const unsent = await Promise.all(Array.from({ length: 12 }, () => stored()));
        clock.advance(LEASE_SECONDS + 2 * RESEND_SECONDS);
        const waiting = unsent.map(({ id }) => id).toSorted();
        const expected = [...waiting, lost.id, deleted.id, over.id];
        expect((await store.listDueJobs(100)).map(({ id }) => id)).toEqual(expected);
        for (const limit of [1, 2, 7, 13, 14, 15]) {
          const listed: string[] = [];
          for (let page = await store.listDueJobs(limit); page.length > 0; ) {
            expect(page.length).toBeLessThanOrEqual(limit);
            listed.push(...page.map(({ id }) => id));
            page = await store.listDueJobs(limit, page.at(-1));
          }
          expect(listed).toEqual(expected);
        }
        // The next page goes on behind the listed ones, even when they change.
        const [first] = await store.listDueJobs(1);
        for (const id of waiting.slice(0, 3)) await store.updateJob(id, { type: 'sent' });
        expect((await store.listDueJobs(1, first)).map(({ id }) => id)).toEqual([waiting[3]]);
      });
    });
  });
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
