import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Batch } from '../../shared/batch.ts';
import type { AttemptResult } from '../../shared/delivery.ts';
import type { Endpoint } from '../../shared/endpoint.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import type { Job } from '../../shared/job.ts';
import { DELIVERY_RETENTION_SECONDS, MAX_PARALLEL_DELIVERIES } from '../../shared/limits.ts';
import { webhookDelivery } from '../../shared/outbox.ts';
import type { StateStore } from '../../shared/ports.ts';
import { ENDING_EVENTS, type EventType } from '../../shared/webhook-event.ts';
import type { Clock } from '../support/clock.ts';
import { outcomeOf } from '../support/outcome.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';
import type { StateStoreUnderTest } from './state-store.contract.ts';

const DONE: AttemptResult = { outcome: 'done', status: 200, milliseconds: 5 };
const FAILED: AttemptResult = { outcome: 'retry', status: 500, error: 'Status 500.', milliseconds: 5 };

/** Duties of every StateStore for messages and files to be sent. */
export function outboxContract(name: string, open: () => Promise<StateStoreUnderTest>): void {
  describe(`${name}: outbox`, () => {
    let subject: StateStoreUnderTest;
    let store: StateStore;
    let clock: Clock;

    beforeEach(async () => {
      subject = await open();
      ({ store, clock } = subject);
      const created_at = iso(clock.now());
      for (const id of ['acc_one', 'acc_two']) await store.createAccount({ id, name: id, created_at });
    });
    afterEach(() => subject.close());

    const newEndpoint = async (changes: Partial<Endpoint> = {}): Promise<Endpoint> => {
      const endpoint: Endpoint = {
        id: createId('whe', clock.now()),
        account: 'acc_one',
        url: 'https://example.com/hook',
        events: [...ENDING_EVENTS],
        secrets: [{ secret: 'whsec_one' }],
        created_at: iso(clock.now()),
        ...changes,
      };
      await store.createEndpoint(endpoint);
      return endpoint;
    };
    const newJob = async (changes: Partial<Job> = {}): Promise<Job> => {
      const job = { ...sampleJob(clock.now()), ...changes };
      await store.createJob(job);
      return job;
    };
    const succeed = async (job: Job) => {
      await store.updateJob(job.id, { type: 'claim' });
      return store.updateJob(job.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] });
    };
    const log = async (filter: object = {}) =>
      (await store.listDeliveries({ account: 'acc_one', test: false, limit: 100, ...filter })).deliveries;
    const ping = async (endpoint: Endpoint) => {
      const { account, id: endpoint_id } = endpoint;
      const delivery = webhookDelivery({ account, endpoint_id, type: 'webhook.ping', body: '{}' }, clock.now());
      await store.createDelivery(delivery);
      return delivery;
    };

    describe('endpoints', () => {
      it('keeps them for their account, oldest first', async () => {
        const first = await newEndpoint();
        clock.advance(1);
        const second = await newEndpoint({ description: 'ä', events: ['job.started'] });
        expect(await store.listEndpoints('acc_one')).toEqual([first, second]);
        expect(await store.listEndpoints('acc_two')).toEqual([]);
        expect(await store.getEndpoint('acc_one', second.id)).toEqual(second);
        expect(await store.getEndpoint('acc_two', second.id)).toBeNull();
        expect(await store.updateEndpoint('acc_two', second.id, { type: 'enable' })).toBeNull();
        expect(await store.deleteEndpoint('acc_two', second.id)).toBe(false);
      });

      it('has one signer for own URLs of jobs in each account', async () => {
        await newEndpoint({ url: undefined });
        const again = newEndpoint({ url: undefined });
        expect(await outcomeOf(again)).toBe('already-exists');
        await newEndpoint({ url: undefined, account: 'acc_two' });
      });

      it('are twenty at most in an account, however many come at once', async () => {
        await newEndpoint({ url: undefined });
        const outcomes = await Promise.all(Array.from({ length: 25 }, () => outcomeOf(newEndpoint())));
        expect(outcomes.filter((outcome) => outcome === 'fulfilled')).toHaveLength(20);
        expect(outcomes.filter((outcome) => outcome === 'conflict')).toHaveLength(5);
        await newEndpoint({ account: 'acc_two' });
        const [first, second] = await store.listEndpoints('acc_one');
        await store.deleteEndpoint('acc_one', first!.url === undefined ? second!.id : first!.id);
        await newEndpoint();
      });

      it('changes once for each idempotency key, and a repeat tells how it is by then', async () => {
        const { id } = await newEndpoint();
        const request = { key: 'k', fingerprint: 'f', response: { status: 200, headers: {}, body: '' } };
        const rotate = (secret: string, again = request) =>
          store.updateEndpoint('acc_one', id, { type: 'rotate', secret, overlapSeconds: 0 }, again);
        expect((await rotate('whsec_two'))?.secrets).toEqual([{ secret: 'whsec_two' }]);
        expect((await rotate('whsec_three'))?.secrets).toEqual([{ secret: 'whsec_two' }]);
        expect((await rotate('whsec_four', { ...request, key: 'l' }))?.secrets).toEqual([{ secret: 'whsec_four' }]);
        expect((await rotate('whsec_five'))?.secrets).toEqual([{ secret: 'whsec_four' }]);
        expect(await outcomeOf(rotate('x', { ...request, fingerprint: 'other' }))).toBe('idempotency-key-reused');
        const unknown = { ...request, key: 'm' };
        expect(await store.updateEndpoint('acc_one', 'whe_none', { type: 'enable' }, unknown)).toBeNull();
      });

      it('rotates its secret with an overlap, one at a time', async () => {
        const { id } = await newEndpoint();
        const rotate = (secret: string, overlapSeconds: number) =>
          store.updateEndpoint('acc_one', id, { type: 'rotate', secret, overlapSeconds });
        const expires_at = iso(clock.now() + 60_000);
        const expected = [{ secret: 'whsec_two' }, { secret: 'whsec_one', expires_at }];
        expect((await rotate('whsec_two', 60))?.secrets).toEqual(expected);
        expect(await outcomeOf(rotate('whsec_three', 60))).toBe('conflict');
        clock.advance(61);
        expect((await rotate('whsec_three', 0))?.secrets).toEqual([{ secret: 'whsec_three' }]);
        expect((await store.getEndpoint('acc_one', id))?.secrets).toEqual([{ secret: 'whsec_three' }]);
      });

      it('goes with its deliveries', async () => {
        const endpoint = await newEndpoint();
        const other = await newEndpoint();
        await ping(endpoint);
        const kept = await ping(other);
        expect(await store.deleteEndpoint('acc_one', endpoint.id)).toBe(true);
        expect(await store.getEndpoint('acc_one', endpoint.id)).toBeNull();
        expect(await log()).toEqual([kept]);
        expect((await store.claimDelivery())?.id).toBe(kept.id);
        expect(await store.claimDelivery()).toBeNull();
      });
    });

    describe('events of jobs', () => {
      const typesTo = async (endpoint: Endpoint) => (await log({ endpoint_id: endpoint.id })).map(({ type }) => type);

      it('are written with the change, each once for each endpoint that wants it', async () => {
        const all = await newEndpoint({ events: ['job.started', ...ENDING_EVENTS] });
        const ends = await newEndpoint();
        const disabled = await newEndpoint();
        await store.updateEndpoint('acc_one', disabled.id, { type: 'disable', reason: 'x' });
        await newEndpoint({ url: undefined });
        await newEndpoint({ account: 'acc_two' });
        const job = await newJob({ client_reference: 'mine' });
        expect(await log()).toEqual([]);
        await succeed(job);
        await outcomeOf(store.updateJob(job.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] }));
        await outcomeOf(store.updateJob(job.id, { type: 'cancel' }));
        expect((await typesTo(all)).toSorted()).toEqual(['job.started', 'job.succeeded']);
        expect(await typesTo(ends)).toEqual(['job.succeeded']);
        expect(await log()).toHaveLength(3);
        const [delivery] = await log({ endpoint_id: ends.id });
        expect(delivery).toMatchObject({ kind: 'webhook', status: 'pending', job_id: job.id, attempts: [] });
        expect(JSON.parse(delivery!.body!)).toEqual({
          type: 'job.succeeded',
          timestamp: iso(clock.now()),
          data: {
            id: job.id,
            status: 'succeeded',
            version: 3,
            client_reference: 'mine',
            created_at: job.created_at,
            finished_at: iso(clock.now()),
          },
        });
      });

      it('are one of ten when ten end the job at once', async () => {
        await newEndpoint();
        const job = await newJob();
        const error = new AppError('worker-lost', 'lost');
        await Promise.all(
          Array.from({ length: 10 }, () => outcomeOf(store.updateJob(job.id, { type: 'fail', error }))),
        );
        const [only, ...more] = await log();
        expect(more).toEqual([]);
        expect(JSON.parse(only!.body!).data.error).toEqual({ code: 'worker-lost', retryable: true });
      });

      it('say how the job ended, also before it started', async () => {
        const endpoint = await newEndpoint();
        const canceled = await newJob();
        await store.updateJob(canceled.id, { type: 'cancel' });
        const awaiting = sampleJob(clock.now(), { input: undefined });
        await store.createJob(awaiting);
        await store.updateJob(awaiting.id, { type: 'expire' });
        expect((await typesTo(endpoint)).toSorted()).toEqual(['job.canceled', 'job.expired']);
      });

      it('tell of a second attempt no second start', async () => {
        const endpoint = await newEndpoint({ events: ['job.started'] });
        const job = await newJob();
        await store.updateJob(job.id, { type: 'claim' });
        await store.updateJob(job.id, { type: 'give_back', attempt: 1 });
        await store.updateJob(job.id, { type: 'claim' });
        expect(await typesTo(endpoint)).toEqual(['job.started']);
      });

      it('go to the own URL of a job, or by its own choice to an endpoint', async () => {
        const signer = await newEndpoint({ url: undefined });
        const endpoint = await newEndpoint({ events: [] });
        const events: EventType[] = ['job.succeeded'];
        const first = await newJob({ webhook: { endpoint_id: signer.id, url: 'https://example.com/own', events } });
        const second = await newJob({ webhook: { endpoint_id: endpoint.id, events } });
        const third = await newJob();
        for (const job of [first, second, third]) await succeed(job);
        expect(await log()).toHaveLength(2);
        expect(await log({ job_id: first.id })).toMatchObject([
          { endpoint_id: signer.id, url: 'https://example.com/own', type: 'job.succeeded' },
        ]);
        expect(await log({ job_id: second.id })).toMatchObject([{ endpoint_id: endpoint.id, type: 'job.succeeded' }]);
      });

      it('tell of progress at most every five seconds, where a job asks for it', async () => {
        const endpoint = await newEndpoint({ events: [] });
        const events: EventType[] = ['job.progressed'];
        const job = await newJob({ webhook: { endpoint_id: endpoint.id, events } });
        await store.updateJob(job.id, { type: 'claim' });
        for (let percent = 0; percent < 11; percent++) {
          await store.updateJob(job.id, { type: 'progress', attempt: 1, progress: { percent, stage: 'upscale' } });
          clock.advance(1);
        }
        const percents = (await log()).map(({ body }) => JSON.parse(body!).data.progress.percent);
        expect(percents.toSorted()).toEqual([0, 10, 5]);
      });

      it('are small, even of a large job', async () => {
        const { id: endpoint_id } = await newEndpoint();
        const webhook = { endpoint_id, events: ['job.failed'] as EventType[] };
        const job = await newJob({
          webhook,
          client_reference: '\u0001'.repeat(255),
          batch_id: createId('bat', clock.now()),
        });
        await store.updateJob(job.id, { type: 'claim' });
        const error = new AppError('image-unreadable', 'x'.repeat(10_000));
        await store.updateJob(job.id, { type: 'fail', attempt: 1, error });
        expect((await log())[0]!.body!.length).toBeLessThan(2048);
      });

      it('that were sent are forgotten with their job', async () => {
        await newEndpoint();
        const job = await newJob({ client_reference: 'a name' });
        await succeed(job);
        const claimed = await store.claimDelivery();
        await store.recordAttempt(claimed!, DONE);
        await store.updateJob(job.id, { type: 'delete' });
        expect(await log()).toEqual([]);
      });
    });

    describe('attempts', () => {
      it('are made by one at a time, the most overdue first, and a lost one comes again', async () => {
        const endpoint = await newEndpoint();
        const first = await ping(endpoint);
        clock.advance(1);
        const second = await ping(endpoint);
        const claims = await Promise.all(Array.from({ length: 5 }, () => store.claimDelivery()));
        expect(claims.map((claimed) => claimed?.id)).toEqual([first.id, second.id, undefined, undefined, undefined]);
        clock.advance(181);
        const again = await store.claimDelivery();
        expect(again).toMatchObject({ id: first.id, claim: 2 });
        // Its owner sees it, though it is no try of the receiver's.
        expect(again).toMatchObject({ tries: 0, lost: 1, attempts: [{ at: iso(clock.now() - 181_000) }] });
        expect(await outcomeOf(store.recordAttempt(claims[0]!, DONE))).toBe('lease-lost');
        expect(await store.recordAttempt(again!, DONE)).toMatchObject({ status: 'delivered' });
        expect(await outcomeOf(store.recordAttempt({ id: 'msg_none', claim: 1 }, DONE))).toBe('not-found');
      });

      it(`go to one receiver ${MAX_PARALLEL_DELIVERIES} at a time, and others are not held up`, async () => {
        const slow = await newEndpoint();
        for (let i = 0; i < 5; i++) await ping(slow);
        clock.advance(1);
        const other = await ping(await newEndpoint());
        const claimed = [];
        for (let i = 0; i < 5; i++) claimed.push(await store.claimDelivery());
        expect(claimed.map((delivery) => delivery?.endpoint_id === slow.id)).toEqual([true, true, false, false, false]);
        expect(claimed[2]?.id).toBe(other.id);
        expect(claimed[3]).toBeNull();
        await store.recordAttempt(claimed[0]!, DONE);
        expect((await store.claimDelivery())?.endpoint_id).toBe(slow.id);
      });

      describe('are shared', () => {
        const LANES = 8;
        /** A job whose photo is to be fetched from an address of its own. */
        const fetchOf = (account: string, changes: Partial<Job> = {}) =>
          newJob({ account, fetch_url: `https://example.com/${createId('url', clock.now())}`, ...changes });
        /** Claims until there is nothing, while nothing ends. Returns the jobs. */
        const claimAll = async (lanes = LANES) => {
          const claimed = [];
          for (;;) {
            const delivery = await store.claimDelivery(lanes - claimed.length);
            if (!delivery) return claimed;
            claimed.push(delivery);
          }
        };

        it('so that slow addresses of one account leave room for others, and come again', async () => {
          for (let i = 0; i < 12; i++) await fetchOf('acc_one');
          clock.advance(1);
          const other = await fetchOf('acc_two');
          const claimed = await claimAll();
          expect(claimed.filter(({ account }) => account === 'acc_one')).toHaveLength(LANES / 2);
          expect(claimed.at(-1)?.job_id).toBe(other.id);
          expect(claimed.at(-1)?.kind).toBe('input');
          // Each that ends makes room for the next.
          await store.recordAttempt(claimed[0]!, DONE);
          expect((await store.claimDelivery(LANES - 4))?.account).toBe('acc_one');
          clock.advance(181);
          expect(await claimAll()).toHaveLength(LANES / 2 + 1);
        });

        it('so that an account with nothing under way gets a lane though none is free', async () => {
          const endpoint = await newEndpoint();
          await fetchOf('acc_one');
          await fetchOf('acc_one');
          await fetchOf('acc_one', { test: true });
          clock.advance(1);
          await ping(endpoint);
          await fetchOf('acc_two');
          const claimed = await claimAll(0);
          const lines = claimed.map(({ account, kind, test = false }) => `${account} ${kind} ${test}`);
          expect(lines.toSorted()).toEqual([
            'acc_one input false',
            'acc_one input true',
            'acc_one webhook false',
            'acc_two input false',
          ]);
        });

        it('between the end users of an account', async () => {
          for (let i = 0; i < 12; i++) await fetchOf('acc_one', { end_user: 'hostile/1' });
          clock.advance(1);
          for (let i = 0; i < 2; i++) await fetchOf('acc_one', { end_user: `user ${i}` });
          const users = (await claimAll(9)).map(({ end_user }) => end_user);
          expect(users.toSorted()).toEqual(['hostile/1', 'hostile/1', 'hostile/1', 'user 0', 'user 1']);
        });

        it('among claims at the same time', async () => {
          for (let i = 0; i < 6; i++) await fetchOf('acc_one');
          const claims = await Promise.all(Array.from({ length: 6 }, () => store.claimDelivery(2)));
          expect(claims.filter((claimed) => claimed !== null)).toHaveLength(2);
        });
      });

      it('follow the schedule, are logged, and end with the endpoint disabled', async () => {
        const endpoint = await newEndpoint();
        const { id } = await ping(endpoint);
        const pauses: number[] = [];
        for (let i = 0; i < 10; i++) {
          const claimed = await store.claimDelivery();
          expect(claimed?.id).toBe(id);
          const after = await store.recordAttempt(claimed!, FAILED);
          expect(after.attempts).toHaveLength(i + 1);
          if (!after.due_at) break;
          const seconds = (after.due_at - clock.now()) / 1000;
          pauses.push(seconds);
          clock.advance(seconds - 0.01);
          expect(await store.claimDelivery()).toBeNull();
          clock.advance(0.01);
        }
        const schedule = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        expect(pauses).toHaveLength(schedule.length);
        for (const [i, pause] of pauses.entries()) expect(Math.abs(pause / schedule[i]! - 1)).toBeLessThanOrEqual(0.1);
        expect(await store.getDelivery('acc_one', id)).toMatchObject({ status: 'failed', tries: 10 });
        expect(await store.getEndpoint('acc_one', endpoint.id)).toMatchObject({
          disabled_at: iso(clock.now()),
          disabled_reason: `No attempt of 10 to deliver ${id} succeeded.`,
        });
      });

      it('that fail to the end disable no endpoint that took something meanwhile', async () => {
        const endpoint = await newEndpoint();
        const lost = await ping(endpoint);
        clock.advance(1);
        await ping(endpoint);
        const claimed = await store.claimDelivery();
        await store.recordAttempt((await store.claimDelivery())!, DONE);
        await store.recordAttempt(claimed!, { ...FAILED, outcome: 'give_up' });
        expect(await store.getDelivery('acc_one', lost.id)).toMatchObject({ status: 'failed' });
        expect(await store.getEndpoint('acc_one', endpoint.id)).not.toHaveProperty('disabled_at');
      });

      it('end at once when the receiver is gone, which an own URL of a job says only of itself', async () => {
        const signer = await newEndpoint({ url: undefined });
        const endpoint = await newEndpoint();
        const { account, id: endpoint_id } = signer;
        const url = 'https://example.com/own';
        const own = webhookDelivery({ account, endpoint_id, url, type: 'job.failed', body: '{}' }, clock.now());
        await store.createDelivery(own);
        await ping(endpoint);
        const gone: AttemptResult = { outcome: 'give_up', gone: true, status: 410, milliseconds: 1 };
        for (let i = 0; i < 2; i++) await store.recordAttempt((await store.claimDelivery())!, gone);
        expect((await log()).map(({ status }) => status)).toEqual(['failed', 'failed']);
        expect(await store.getEndpoint('acc_one', signer.id)).not.toHaveProperty('disabled_at');
        const after = await store.getEndpoint('acc_one', endpoint.id);
        expect(after?.disabled_reason).toBe('The receiver answered 410 Gone.');
        const enabled = await store.updateEndpoint('acc_one', endpoint.id, { type: 'enable' });
        expect(enabled).not.toHaveProperty('disabled_reason');
      });

      it('are counted when they are cut off, until one of them is told of', async () => {
        await ping(await newEndpoint());
        for (let lost = 0; lost < 3; lost++) {
          const claimed = (await store.claimDelivery())!;
          expect([claimed.lost ?? 0, claimed.attempts.length]).toEqual([lost, lost]);
          clock.advance(181);
        }
        const after = await store.recordAttempt((await store.claimDelivery())!, FAILED);
        expect(after).toMatchObject({ status: 'pending', tries: 1, attempts: { length: 4 } });
        expect(after).not.toHaveProperty('lost');
        clock.advance(181);
        expect(await store.claimDelivery()).not.toHaveProperty('lost');
      });

      it('are put off while a store does not answer, and that is no try', async () => {
        await ping(await newEndpoint());
        const putOff: AttemptResult = { outcome: 'put_off', error: 'S3 does not answer.', milliseconds: 1 };
        for (let i = 0; i < 12; i++) {
          const after = await store.recordAttempt((await store.claimDelivery())!, putOff);
          expect(after).toMatchObject({ status: 'pending', tries: 0, attempts: [], due_at: clock.now() + 30_000 });
          expect(await store.claimDelivery()).toBeNull();
          clock.advance(30);
        }
        expect(await store.recordAttempt((await store.claimDelivery())!, DONE)).toMatchObject({ status: 'delivered' });
      });

      it('come later when the receiver says so, within a day', async () => {
        await ping(await newEndpoint());
        const after = await store.recordAttempt((await store.claimDelivery())!, { ...FAILED, retryAfterSeconds: 3600 });
        expect(after.due_at).toBe(clock.now() + 3_600_000);
        clock.advance(3600);
        const later = await store.recordAttempt((await store.claimDelivery())!, { ...FAILED, retryAfterSeconds: 1e9 });
        expect(later.due_at).toBe(clock.now() + 86_400_000);
      });

      it('are made anew by a replay, with the same id and a log that goes on', async () => {
        const endpoint = await newEndpoint();
        const { id } = await ping(endpoint);
        const claimed = await store.claimDelivery();
        expect(await outcomeOf(store.replayDelivery('acc_one', id))).toBe('conflict');
        await store.recordAttempt(claimed!, { ...FAILED, outcome: 'give_up' });
        expect(await store.claimDelivery()).toBeNull();
        expect(await store.replayDelivery('acc_two', id)).toBeNull();
        expect(await store.replayDelivery('acc_one', id)).toMatchObject({ id, status: 'pending', tries: 0 });
        const again = await store.recordAttempt((await store.claimDelivery())!, DONE);
        expect(again).toMatchObject({ id, status: 'delivered' });
        expect(again.attempts.map(({ status }) => status)).toEqual([500, 200]);
      });
    });

    describe('batches', () => {
      const newBatch = async (count: number, changes: Partial<Batch> = {}) => {
        const batch: Batch = {
          id: createId('bat', clock.now()),
          account: 'acc_one',
          created_at: iso(clock.now()),
          job_count: count,
          counts: { succeeded: 0, failed: 0, canceled: 0, expired: 0 },
          ...changes,
        };
        const jobs = Array.from({ length: count }, (_, batch_index) => {
          return { ...sampleJob(clock.now(), { batch_id: batch.id, price: 10 }), batch_index };
        });
        return { batch, jobs };
      };

      it('are stored with all their jobs or not at all', async () => {
        const { batch, jobs } = await newBatch(3);
        await store.topUp({ account: 'acc_one', amount: 29, payment: 'pay' });
        expect(await outcomeOf(store.createBatch(batch, jobs))).toBe('insufficient-credit');
        expect(await store.getBatch(batch.id)).toBeNull();
        expect(await store.getJob(jobs[0]!.id)).toBeNull();
        expect(await store.getBalance('acc_one')).toBe(29);
        await store.topUp({ account: 'acc_one', amount: 1, payment: 'pay 2' });
        const request = { key: 'k', fingerprint: 'f', response: { status: 201, headers: {}, body: '{}' } };
        expect(await store.createBatch(batch, jobs, request)).toEqual({ created: true });
        const again = await newBatch(3);
        expect(await store.createBatch(again.batch, again.jobs, request)).toMatchObject({ created: false });
        expect(await store.getBatch(batch.id)).toEqual(batch);
        const found = await store.listJobs({ account: 'acc_one', batch_id: batch.id, limit: 100 });
        expect(found.jobs.map(({ id }) => id).toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
        expect(await store.getBalance('acc_one')).toBe(0);
      });

      it('never end before they began, though the clock of the process that ends them is behind', async () => {
        await store.topUp({ account: 'acc_one', amount: 30, payment: 'pay' });
        const { batch, jobs } = await newBatch(1);
        await store.createBatch(batch, jobs);
        clock.advance(-60);
        await store.updateJob(jobs[0]!.id, { type: 'cancel' });
        expect((await store.getBatch(batch.id))?.finished_at).toBe(batch.created_at);
      });

      it('count how their jobs ended, and tell once when the last one has', async () => {
        await store.topUp({ account: 'acc_one', amount: 30, payment: 'pay' });
        const endpoint = await newEndpoint();
        const { batch, jobs } = await newBatch(3);
        await store.createBatch(batch, jobs);
        const [first, second, third] = jobs as [Job, Job, Job];
        await succeed(first);
        await store.updateJob(second.id, { type: 'cancel' });
        expect(await log()).toEqual([]);
        const error = new AppError('worker-lost', 'lost');
        await Promise.all([1, 2, 3].map(() => outcomeOf(store.updateJob(third.id, { type: 'fail', error }))));
        const after = await store.getBatch(batch.id);
        expect(after?.counts).toEqual({ succeeded: 1, failed: 1, canceled: 1, expired: 0 });
        expect(after?.finished_at).toBe(iso(clock.now()));
        const [told, ...more] = await log();
        expect(more).toEqual([]);
        expect(told).toMatchObject({ endpoint_id: endpoint.id, type: 'batch.completed' });
        const { account: _account, ...data } = after!;
        expect(JSON.parse(told!.body!)).toEqual({ type: 'batch.completed', timestamp: iso(clock.now()), data });
      });

      it('tell of single jobs where they are asked to', async () => {
        await store.topUp({ account: 'acc_one', amount: 30, payment: 'pay' });
        const endpoint = await newEndpoint({ events: [] });
        await newEndpoint();
        const webhook = { endpoint_id: endpoint.id, events: ['job.succeeded'] as EventType[] };
        const { batch, jobs } = await newBatch(2, { webhook });
        await store.createBatch(
          batch,
          jobs.map((job) => ({ ...job, webhook })),
        );
        for (const job of jobs) await succeed(job);
        const types = async (filter: object) => (await log(filter)).map(({ type }) => type);
        expect(await types({ endpoint_id: endpoint.id })).toEqual(['job.succeeded', 'job.succeeded']);
        expect(await types({})).toHaveLength(3);
      });
    });

    it('lists live and test mode apart', async () => {
      const endpoint = await newEndpoint();
      const live = await newJob();
      const test = await newJob({ test: true });
      for (const job of [live, test]) await succeed(job);
      const pinged = { account: 'acc_one', test: true as const, endpoint_id: endpoint.id, type: 'webhook.ping' };
      await store.createDelivery(webhookDelivery({ ...pinged, body: '{}' }, clock.now()));
      for (const filter of [{}, { endpoint_id: endpoint.id }]) {
        expect((await log(filter)).map(({ job_id }) => job_id)).toEqual([live.id]);
        const ofTest = await log({ ...filter, test: true });
        expect(ofTest.map(({ type }) => type).toSorted()).toEqual(['job.succeeded', 'webhook.ping']);
      }
      expect(await log({ job_id: test.id })).toEqual([]);
      expect(await log({ job_id: test.id, test: true })).toHaveLength(1);
    });

    it('lists in pages that do not overlap, and forgets old ones', async () => {
      const endpoint = await newEndpoint();
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) {
        ids.unshift((await ping(endpoint)).id);
        clock.advance(1);
      }
      const first = await store.listDeliveries({ account: 'acc_one', test: false, limit: 3 });
      const second = await store.listDeliveries({
        account: 'acc_one',
        test: false,
        limit: 3,
        cursor: first.next_cursor,
      });
      expect([...first.deliveries, ...second.deliveries].map(({ id }) => id)).toEqual(ids);
      expect(second.next_cursor).toBeUndefined();
      const bad = store.listDeliveries({ account: 'acc_one', test: false, limit: 1, cursor: 'x' });
      expect(await outcomeOf(bad)).toBe('malformed');
      await store.recordAttempt((await store.claimDelivery())!, DONE);
      clock.advance(DELIVERY_RETENTION_SECONDS);
      await ping(endpoint);
      expect((await log()).map(({ id }) => id)).not.toContain(ids.at(-1));
      expect(await log()).toHaveLength(5);
    });
  });
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
