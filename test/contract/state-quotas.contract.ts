import { afterEach, describe, expect, it } from 'vitest';
import type { Batch } from '../../shared/batch.ts';
import type { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import type { Job } from '../../shared/job.ts';
import { type ClientToken, createApiKey, createSecret } from '../../shared/keys.ts';
import { webhookDelivery } from '../../shared/outbox.ts';
import type { StateStore, Upload } from '../../shared/ports.ts';
import { type AccountPolicy, type RateLimits, rateLimitsSchema } from '../../shared/rate-limits.ts';
import type { Clock } from '../support/clock.ts';
import { outcomeOf } from '../support/outcome.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';

export interface LimitedStoreUnderTest {
  store: StateStore;
  /** On the same data, as another process has it. */
  other: StateStore;
  clock: Clock;
  close(): Promise<void>;
}

const PREVIEW = { x: 0, y: 0, width: 9, height: 9 };

/** Duties of every StateStore to keep free or scarce things bounded for each account. */
export function stateQuotasContract(name: string, open: (limits: RateLimits) => Promise<LimitedStoreUnderTest>): void {
  describe(`${name}: state store, quotas`, () => {
    let store: StateStore;
    let other: StateStore;
    let clock: Clock;
    let close: () => Promise<void> = async () => {};
    afterEach(() => close());

    async function start(limits: object): Promise<void> {
      ({ store, other, clock, close } = await open(rateLimitsSchema.parse(limits)));
      for (const id of ['acc_one', 'acc_two']) await store.createAccount({ id, name: id, created_at: now() });
    }
    const now = () => new Date(clock.now()).toISOString();
    const newJob = (changes: Parameters<typeof sampleJob>[1] = {}) => sampleJob(clock.now(), changes);
    const newKey = async (account = 'acc_one', test?: true) => {
      const { key, hash } = await createApiKey({ account, name: 'key', scopes: [], test, now: clock.now() });
      return { key, hash };
    };
    const newToken = (changes: Partial<ClientToken> = {}): ClientToken => ({
      id: createId('tok', clock.now()),
      key_id: 'key_one',
      account: 'acc_one',
      end_user: 'user',
      scopes: ['jobs:write'],
      max_jobs: 1,
      created_at: now(),
      expires_at: new Date(clock.now() + 600_000).toISOString(),
      ...changes,
    });
    const newUpload = (changes: Partial<Upload> = {}): Upload => {
      const id = createId('upl', clock.now());
      const key = `in/acc_one/${id}`;
      const expires_at = new Date(clock.now() + 900_000).toISOString();
      return {
        id,
        account: 'acc_one',
        key,
        content_type: 'image/png',
        bytes: 10,
        created_at: now(),
        expires_at,
        ...changes,
      };
    };
    const uploaded = async (changes: Partial<Upload> = {}, at = store) => {
      const upload = newUpload(changes);
      await at.createUpload(upload);
      return upload;
    };
    const succeed = async (job: Job) => {
      await store.createJob(job);
      await store.updateJob(job.id, { type: 'claim' });
      return store.updateJob(job.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] });
    };
    const refusalOf = (work: Promise<unknown>) =>
      work.then(
        () => undefined,
        (error: AppError) => error,
      );

    /** One of the things that the policy counts, of an account in a mode. */
    const creations: Record<AccountPolicy, (at: StateStore, account: string, test?: true) => Promise<unknown>> = {
      jobs: (at, account, test) => at.createJob(newJob({ account, ...(test && { test }) })),
      previews: (at, account, test) => {
        const { parameters } = newJob();
        return at.createJob(
          newJob({ account, ...(test && { test }), parameters: { ...parameters, preview: PREVIEW } }),
        );
      },
      tags: (at, account, test) => at.createJob(newJob({ account, ...(test && { test }), task: 'tags' })),
      tokens: async (at, account, test) =>
        at.createClientToken(newToken({ account, ...(test && { test }) }), (await createSecret('client')).hash),
      keys: async (at, account, test) => {
        const { key, hash } = await newKey(account, test);
        return at.createKey(key, hash);
      },
      pings: (at, account, test) => {
        const about = { account, ...(test && { test }), endpoint_id: 'whe_one', type: 'webhook.ping', body: '{}' };
        return at.createDelivery(webhookDelivery(about, clock.now()));
      },
    };

    describe.each(Object.entries(creations))('%s of an account', (policy, create) => {
      it('are counted together, however many come at once to however many processes', async () => {
        await start({ [policy]: { quota: 3, window_seconds: 3000 } });
        const all = Array.from({ length: 12 }, (_, i) => refusalOf(create(i % 2 ? store : other, 'acc_one')));
        const refusals = (await Promise.all(all)).filter((refusal) => refusal !== undefined);
        expect(refusals).toHaveLength(9);
        for (const refusal of refusals) {
          expect(refusal).toMatchObject({ code: 'quota-exceeded', violatedPolicies: [policy] });
          expect(refusal.headers).toMatchObject({ 'Retry-After': '1000', RateLimit: `"${policy}";r=0;t=1000` });
        }
        // Others, and the other mode, have their own.
        expect(await refusalOf(create(store, 'acc_two'))).toBeUndefined();
        expect(await refusalOf(create(store, 'acc_one', true))).toBeUndefined();
        clock.advance(999);
        expect(await refusalOf(create(other, 'acc_one'))).toBeDefined();
        clock.advance(1);
        expect(await refusalOf(create(other, 'acc_one'))).toBeUndefined();
        expect(await refusalOf(create(store, 'acc_one'))).toBeDefined();
      });
    });

    it('tell the same rest from every process', async () => {
      await start({ jobs: { quota: 5, window_seconds: 50 }, previews: { quota: 3, window_seconds: 30 } });
      const levels = async (policy: AccountPolicy, at: StateStore) => {
        const creation = (await creations[policy](at, 'acc_one')) as {
          levels: { policy: string; remaining: number }[];
        };
        return creation.levels.map(({ policy: of, remaining }) => `${of} ${remaining}`).toSorted();
      };
      expect(await levels('jobs', store)).toEqual(['jobs 4']);
      expect(await levels('previews', other)).toEqual(['jobs 3', 'previews 2']);
      expect(await levels('previews', store)).toEqual(['jobs 2', 'previews 1']);
      clock.advance(10);
      expect(await levels('previews', other)).toEqual(['jobs 2', 'previews 1']);
    });

    it('count all jobs of a batch or none, and nothing that was refused or is a repeat', async () => {
      await start({ jobs: { quota: 4, window_seconds: 4000 } });
      const batchOf = (count: number, price = 0) => {
        const counts = { succeeded: 0, failed: 0, canceled: 0, expired: 0 };
        const id = createId('bat', clock.now());
        const batch: Batch = { id, account: 'acc_one', created_at: now(), job_count: count, counts };
        const jobs = Array.from({ length: count }, (_, i) => ({ ...newJob({ batch_id: id, price }), batch_index: i }));
        return store.createBatch(batch, jobs);
      };
      expect(await outcomeOf(batchOf(5))).toBe('quota-exceeded');
      expect(await outcomeOf(batchOf(3, 10))).toBe('insufficient-credit');
      expect(await outcomeOf(store.createJob(newJob({ price: 10 })))).toBe('insufficient-credit');
      const creation = await batchOf(3);
      expect(creation).toMatchObject({ created: true, levels: [{ policy: 'jobs', remaining: 1 }] });
      const request = { key: 'k', fingerprint: 'f', response: { status: 202, headers: {}, body: '{}' } };
      for (const created of [true, false, false]) {
        expect(await store.createJob(newJob(), request)).toMatchObject({ created });
      }
      expect(await outcomeOf(batchOf(1))).toBe('quota-exceeded');
    });

    it('are not gone round by new keys or revoked ones', async () => {
      await start({ previews: { quota: 2, window_seconds: 86_400 } });
      let taken = 0;
      for (let i = 0; i < 4; i++) {
        const { key, hash } = await newKey();
        await store.createKey(key, hash);
        const parameters = { ...newJob().parameters, preview: PREVIEW };
        const outcomes = [await outcomeOf(store.createJob(newJob({ key_id: key.id, parameters })))];
        outcomes.push(await outcomeOf(store.createJob(newJob({ key_id: key.id, parameters }))));
        taken += outcomes.filter((outcome) => outcome === 'fulfilled').length;
        await store.revokeKey('acc_one', key.id);
      }
      expect(taken).toBe(2);
    });

    it('come back after a clock ran far ahead', async () => {
      await start({ jobs: { quota: 1, window_seconds: 60 } });
      clock.advance(30 * 86_400);
      await store.createJob(newJob());
      clock.advance(-30 * 86_400);
      await store.createJob(newJob());
      expect(await outcomeOf(store.createJob(newJob()))).toBe('quota-exceeded');
    });

    it('counts pings and replays together', async () => {
      await start({ pings: { quota: 2, window_seconds: 60 } });
      const delivery = webhookDelivery({ account: 'acc_one', endpoint_id: 'whe', type: 'x', body: '' }, clock.now());
      await store.createDelivery(delivery);
      await store.replayDelivery('acc_one', delivery.id);
      expect(await outcomeOf(store.replayDelivery('acc_one', delivery.id))).toBe('quota-exceeded');
      expect(await store.replayDelivery('acc_one', 'msg_none')).toBeNull();
    });

    describe('unfinished jobs', () => {
      it('are counted for the account over all its keys, live and test mode apart', async () => {
        await start({ inflight: { quota: 3 } });
        const keys = await Promise.all([newKey(), newKey()]);
        for (const { key, hash } of keys) await store.createKey(key, hash);
        const jobs = Array.from({ length: 8 }, (_, i) => newJob({ key_id: keys[i % 2]!.key.id }));
        const outcomes = await Promise.all(jobs.map((job, i) => outcomeOf((i % 2 ? store : other).createJob(job))));
        expect(outcomes.filter((outcome) => outcome === 'fulfilled')).toHaveLength(3);
        expect(await refusalOf(store.createJob(newJob()))).toMatchObject({ violatedPolicies: ['inflight'] });
        await store.createJob(newJob({ account: 'acc_two' }));
        await store.createJob(newJob({ test: true }));
        await store.updateJob(jobs[outcomes.indexOf('fulfilled')]!.id, { type: 'cancel' });
        await store.createJob(newJob());
        expect(await outcomeOf(other.createJob(newJob()))).toBe('quota-exceeded');
      });
    });

    describe('files of which no job has made a result', () => {
      it('are bounded in number and in bytes for the account, live and test mode apart', async () => {
        await start({ uploads: { quota: 3, bytes: 100 } });
        const all = Array.from({ length: 8 }, (_, i) => outcomeOf(uploaded({}, i % 2 ? store : other)));
        expect((await Promise.all(all)).filter((outcome) => outcome === 'fulfilled')).toHaveLength(3);
        const refused = await refusalOf(uploaded());
        expect(refused).toMatchObject({ code: 'quota-exceeded', violatedPolicies: ['uploads'] });
        expect(Number(refused!.headers['Retry-After'])).toBeGreaterThan(0);
        await uploaded({ test: true });
        await uploaded({ account: 'acc_two', bytes: 90 });
        expect(await outcomeOf(uploaded({ account: 'acc_two', bytes: 11 }))).toBe('quota-exceeded');
        const last = await uploaded({ account: 'acc_two', bytes: 10 });
        await store.deleteUpload(last.id);
        await store.deleteUpload(last.id);
        await uploaded({ account: 'acc_two', bytes: 10 });
        expect(await outcomeOf(uploaded({ account: 'acc_two', bytes: 1 }))).toBe('quota-exceeded');
      });

      it('are such until a job has restored them: not when it is canceled, fails, or only looks at them', async () => {
        await start({ uploads: { quota: 1, bytes: 100 } });
        const upload = await uploaded();
        const of = { upload_id: upload.id };
        const { parameters } = newJob();
        const canceled = newJob(of);
        await store.createJob(canceled);
        await store.updateJob(canceled.id, { type: 'cancel' });
        await store.updateJob(canceled.id, { type: 'delete' });
        await succeed(newJob({ ...of, parameters: { ...parameters, preview: PREVIEW } }));
        await succeed(newJob({ ...of, task: 'tags' }));
        await succeed(newJob({ ...of, test: true }));
        expect(await outcomeOf(uploaded())).toBe('quota-exceeded');
        await succeed(newJob(of));
        expect(await store.getUpload(upload.id)).toEqual({ ...upload, restored: true });
        await uploaded();
        // Once, however many results are made of it, and when it goes.
        await succeed(newJob(of));
        expect(await outcomeOf(uploaded())).toBe('quota-exceeded');
        await store.deleteUpload(upload.id);
        expect(await outcomeOf(uploaded())).toBe('quota-exceeded');
      });

      it('count with their changed size', async () => {
        await start({ uploads: { quota: 10, bytes: 100 } });
        const fetched = await uploaded({ bytes: 0 });
        expect(await store.updateUpload(fetched.id, { bytes: 95 })).toEqual({ ...fetched, bytes: 95 });
        expect(await store.getUpload(fetched.id)).toMatchObject({ bytes: 95 });
        expect(await outcomeOf(uploaded({ bytes: 6 }))).toBe('quota-exceeded');
        const expires_at = new Date(clock.now() + 1).toISOString();
        expect(await store.updateUpload(fetched.id, { expires_at })).toMatchObject({ bytes: 95, expires_at });
        await store.deleteUpload(fetched.id);
        await uploaded({ bytes: 100 });
        expect(await store.updateUpload('upl_none', { bytes: 1 })).toBeNull();
      });
    });

    it('lets a client token announce three files for each of its jobs', async () => {
      await start({});
      const token = newToken({ max_jobs: 2 });
      await store.createClientToken(token, (await createSecret('client')).hash);
      const all = Array.from({ length: 10 }, (_, i) =>
        outcomeOf(uploaded({ token_id: token.id }, i % 2 ? store : other)),
      );
      const outcomes = await Promise.all(all);
      expect(outcomes.filter((outcome) => outcome === 'fulfilled')).toHaveLength(6);
      expect(outcomes.filter((outcome) => outcome === 'token-used-up')).toHaveLength(4);
      await uploaded();
    });
  });
}
