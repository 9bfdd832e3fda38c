import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createId } from '../../shared/id.ts';
import type { Idempotency } from '../../shared/idempotency.ts';
import { type ApiKey, type ClientToken, createApiKey, createSecret, type KeyCaps } from '../../shared/keys.ts';
import { LAST_USED_SECONDS } from '../../shared/limits.ts';
import type { StateStore } from '../../shared/ports.ts';
import type { Clock } from '../support/clock.ts';
import { outcomeOf } from '../support/outcome.ts';
import { SAMPLE_OUTPUT, sampleJob } from '../support/sample-job.ts';
import type { StateStoreUnderTest } from './state-store.contract.ts';

/** Duties of every StateStore for keys: rotation, caps, client tokens, and creating each thing once. */
export function stateKeysContract(name: string, open: () => Promise<StateStoreUnderTest>): void {
  describe(`${name}: state store, keys`, () => {
    let subject: StateStoreUnderTest;
    let store: StateStore;
    let clock: Clock;

    beforeEach(async () => {
      subject = await open();
      ({ store, clock } = subject);
      await store.createAccount({ id: 'acc_one', name: 'one', created_at: iso(clock.now()) });
      await store.topUp({ account: 'acc_one', amount: 1_000_000, payment: 'pay' });
    });
    afterEach(() => subject.close());

    async function newKey(caps: KeyCaps = {}): Promise<{ key: ApiKey; hash: string }> {
      const given = { account: 'acc_one', name: 'key', scopes: ['jobs:write'] as const, now: clock.now() };
      const { key, hash } = await createApiKey({ ...given, ...caps });
      await store.createKey(key, hash);
      return { key, hash };
    }

    async function newToken(key: ApiKey, changes: Partial<ClientToken> = {}) {
      const { hash } = await createSecret('client');
      const token: ClientToken = {
        id: createId('tok', clock.now()),
        key_id: key.id,
        account: key.account,
        end_user: 'user',
        scopes: ['jobs:write'],
        max_jobs: 2,
        created_at: iso(clock.now()),
        expires_at: iso(clock.now() + 600_000),
        ...changes,
      };
      await store.createClientToken(token, hash);
      return { token, hash };
    }

    const rotate = async ({ id }: ApiKey, overlapSeconds: number) => {
      const { hash } = await createSecret('live');
      const rotation = { hash, last4: 'last', overlapSeconds, rotated_at: iso(clock.now()) };
      expect(await store.rotateKey('acc_one', id, rotation)).toEqual({ created: true });
      return { hash };
    };
    const submit = (changes: Parameters<typeof sampleJob>[1]) => store.createJob(sampleJob(clock.now(), changes));
    const answer = (key: string, body: string): Idempotency => ({
      key,
      fingerprint: 'one',
      response: { status: 201, headers: {}, body },
    });

    describe('rotation', () => {
      it('finds the key by both secrets for the time of the overlap, then only by the new one', async () => {
        const { key, hash } = await newKey();
        clock.advance(1);
        const second = await rotate(key, 60);
        const rotated = { ...key, last4: 'last', rotated_at: iso(clock.now()) };
        expect(await store.findKey(hash)).toEqual(rotated);
        expect(await store.findKey(second.hash)).toEqual(rotated);
        expect(await store.listKeys('acc_one')).toEqual([{ ...rotated, spent: 0 }]);
        clock.advance(59);
        expect(await store.findKey(hash)).toEqual(rotated);
        clock.advance(1);
        expect(await store.findKey(hash)).toBeNull();
        expect(await store.findKey(second.hash)).toEqual(rotated);
      });

      it('ends every earlier secret at the latest with the new overlap', async () => {
        const { key, hash } = await newKey();
        const second = await rotate(key, 3600);
        const third = await rotate(key, 10);
        expect(await store.findKey(hash)).not.toBeNull();
        clock.advance(10);
        expect(await store.findKey(hash)).toBeNull();
        expect(await store.findKey(second.hash)).toBeNull();
        await rotate(key, 0);
        expect(await store.findKey(third.hash)).toBeNull();
      });

      it('does not lengthen the life of a key that an earlier rotation has ended', async () => {
        const { key, hash } = await newKey();
        await rotate(key, 10);
        await rotate(key, 3600);
        clock.advance(10);
        expect(await store.findKey(hash)).toBeNull();
      });

      it('happens once for each idempotency key, however many repeats come at once', async () => {
        const { key, hash } = await newKey();
        const rotations = await Promise.all(
          Array.from({ length: 5 }, async (_, i) => {
            const { hash: next } = await createSecret('live');
            const rotation = { hash: next, last4: 'last', overlapSeconds: 60, rotated_at: iso(clock.now()) };
            return { next, creation: await store.rotateKey('acc_one', key.id, rotation, answer('r', `${i}`)) };
          }),
        );
        const winners = rotations.filter(({ creation }) => creation?.created);
        expect(winners).toHaveLength(1);
        for (const { next } of rotations) {
          expect((await store.findKey(next)) !== null).toBe(next === winners[0]!.next);
        }
        expect(await store.findKey(hash)).not.toBeNull();
        const repeated = rotations.find(({ creation }) => !creation?.created)!.creation;
        expect(repeated).toMatchObject({ created: false, response: { status: 201 } });
      });

      it('refuses keys of others and revoked ones; a revoked key is revoked by every secret', async () => {
        const { key, hash } = await newKey();
        const secret = { hash: 'h', last4: 'last', overlapSeconds: 0, rotated_at: iso(clock.now()) };
        expect(await store.rotateKey('acc_two', key.id, secret)).toBeNull();
        const second = await rotate(key, 60);
        await store.revokeKey('acc_one', key.id);
        expect((await store.findKey(hash))?.revoked_at).toBe(iso(clock.now()));
        expect((await store.findKey(second.hash))?.revoked_at).toBe(iso(clock.now()));
        expect(await outcomeOf(store.rotateKey('acc_one', key.id, secret))).toBe('conflict');
      });
    });

    it('notes the use of a key once in LAST_USED_SECONDS', async () => {
      const { key, hash } = await newKey();
      const lastUsed = async () => (await store.findKey(hash))?.last_used_at;
      await store.touchKey(key.id);
      const first = iso(clock.now());
      clock.advance(LAST_USED_SECONDS - 1);
      await store.touchKey(key.id);
      expect(await lastUsed()).toBe(first);
      clock.advance(1);
      await store.touchKey(key.id);
      expect(await lastUsed()).toBe(iso(clock.now()));
      await store.touchKey('key_none');
    });

    describe('caps', () => {
      it('lets as many unfinished jobs of a key through as it may have, however many come at once', async () => {
        const { key } = await newKey({ inflight_cap: 3 });
        const other = await newKey();
        const jobs = Array.from({ length: 10 }, (_, i) =>
          sampleJob(clock.now(), { key_id: key.id, ...(i % 2 === 0 && { input: undefined }) }),
        );
        const outcomes = await Promise.all(jobs.map((job) => outcomeOf(store.createJob(job))));
        expect(outcomes.filter((code) => code === 'fulfilled')).toHaveLength(3);
        expect(outcomes.filter((code) => code === 'quota-exceeded')).toHaveLength(7);
        await submit({ key_id: other.key.id });
        const accepted = jobs[outcomes.indexOf('fulfilled')]!;
        await store.updateJob(accepted.id, { type: 'cancel' });
        await submit({ key_id: key.id });
        expect(await outcomeOf(submit({ key_id: key.id }))).toBe('quota-exceeded');
      });

      it('lets a key spend to its cap, and gives released amounts back to the cap', async () => {
        const { key } = await newKey({ spend_cap: 100 });
        const first = sampleJob(clock.now(), { key_id: key.id, price: 60 });
        await store.createJob(first);
        expect(await outcomeOf(submit({ key_id: key.id, price: 41 }))).toBe('spend-cap-reached');
        const second = sampleJob(clock.now(), { key_id: key.id, price: 40 });
        await store.createJob(second);
        await submit({ key_id: key.id, price: 0 });
        await store.updateJob(first.id, { type: 'claim' });
        await store.updateJob(first.id, { type: 'succeed', attempt: 1, output: SAMPLE_OUTPUT, notes: [] });
        expect(await outcomeOf(submit({ key_id: key.id, price: 1 }))).toBe('spend-cap-reached');
        await store.updateJob(second.id, { type: 'cancel' });
        expect(await store.listKeys('acc_one')).toMatchObject([{ id: key.id, spent: 60 }]);
        await submit({ key_id: key.id, price: 40 });
        expect(await outcomeOf(submit({ key_id: key.id, price: 1 }))).toBe('spend-cap-reached');
        expect(await store.getBalance('acc_one')).toBe(1_000_000 - 100);
        await submit({ key_id: (await newKey()).key.id, price: 1000 });
      });

      it('counts a job that awaits its file when the file comes', async () => {
        const { key } = await newKey({ spend_cap: 100 });
        const job = sampleJob(clock.now(), { key_id: key.id, input: undefined });
        await store.createJob(job);
        expect(await store.listKeys('acc_one')).toMatchObject([{ spent: 0 }]);
        const input = { width: 20, height: 10, bytes: 1234, format: 'png' as const };
        const arrive = (price: number) => store.updateJob(job.id, { type: 'uploaded', input, price });
        expect(await outcomeOf(arrive(101))).toBe('spend-cap-reached');
        expect(await store.getJob(job.id)).toMatchObject({ status: 'awaiting_upload' });
        await arrive(100);
        expect(await store.listKeys('acc_one')).toMatchObject([{ spent: 100 }]);
      });

      it('lets a client token create max_jobs jobs of max_price each, however many come at once', async () => {
        const { key } = await newKey();
        const { token } = await newToken(key, { max_jobs: 2, max_price: 50 });
        const given = { key_id: key.id, token_id: token.id };
        expect(await outcomeOf(submit({ ...given, price: 51 }))).toBe('price-exceeded');
        const outcomes = await Promise.all(Array.from({ length: 5 }, () => outcomeOf(submit({ ...given, price: 50 }))));
        expect(outcomes.filter((code) => code === 'fulfilled')).toHaveLength(2);
        expect(outcomes.filter((code) => code === 'token-used-up')).toHaveLength(3);
        const other = await newToken(key, { max_jobs: 1 });
        await submit({ ...given, token_id: other.token.id });
      });
    });

    describe('client tokens', () => {
      it('are found by their hash with the key that they are of', async () => {
        const { key, hash: hashOfKey } = await newKey();
        const { token, hash } = await newToken(key);
        expect(await store.findClientToken(hash)).toEqual({ token, key });
        expect(await store.findClientToken(hashOfKey)).toBeNull();
        expect(await store.findKey(hash)).toBeNull();
        expect(await store.listKeys('acc_one')).toEqual([{ ...key, spent: 0 }]);
        const revoked = await store.revokeKey('acc_one', key.id);
        expect(await store.findClientToken(hash)).toEqual({ token, key: revoked });
      });

      it('list only the jobs of their end user; live and test mode are apart', async () => {
        const ids: string[] = [];
        for (const owner of [{ end_user: 'a' }, { end_user: 'b' }, {}, { test: true as const, end_user: 'a' }]) {
          const job = sampleJob(clock.now(), owner);
          await store.createJob(job);
          ids.push(job.id);
        }
        const found = async (filter: object) => {
          const { jobs } = await store.listJobs({ account: 'acc_one', limit: 10, ...filter });
          return jobs.map(({ id }) => id).toSorted();
        };
        expect(await found({})).toEqual(ids.toSorted());
        expect(await found({ end_user: 'a' })).toEqual([ids[0]!, ids[3]!].toSorted());
        expect(await found({ end_user: 'a', test: false })).toEqual([ids[0]]);
        expect(await found({ test: false })).toEqual(ids.slice(0, 3).toSorted());
        expect(await found({ test: true })).toEqual([ids[3]]);
        expect(await found({ end_user: 'a', test: false, status: 'queued' })).toEqual([ids[0]]);
        await store.updateJob(ids[0]!, { type: 'cancel' });
        expect((await store.updateJob(ids[0]!, { type: 'delete' })).end_user).toBeUndefined();
      });
    });

    it('keeps an answer no longer than it is told to', async () => {
      const create = async (key: string) => {
        const { key: made, hash } = await createApiKey({ account: 'acc_one', name: key, scopes: [], now: clock.now() });
        return store.createKey(made, hash, { ...answer(key, key), keepUntil: clock.now() + 60_000 });
      };
      expect(await create('k')).toEqual({ created: true });
      clock.advance(59);
      expect(await create('k')).toMatchObject({ created: false });
      clock.advance(1);
      expect(await store.findIdempotent('acc_one', answer('k', ''))).toBeNull();
      const again = await Promise.all(Array.from({ length: 4 }, () => create('k')));
      expect(again.filter(({ created }) => created)).toHaveLength(1);
    });

    it('creates keys, client tokens and uploads once for each idempotency key', async () => {
      const given = { account: 'acc_one', name: 'key', scopes: ['jobs:write'] as const, now: clock.now() };
      const keys = await Promise.all([createApiKey(given), createApiKey(given)]);
      const made = await Promise.all(keys.map(({ key, hash }, i) => store.createKey(key, hash, answer('k', `${i}`))));
      expect(made).toContainEqual({ created: true });
      const kept = await store.findIdempotent('acc_one', answer('k', ''));
      expect(made).toContainEqual({ created: false, response: kept });
      expect(await store.listKeys('acc_one')).toHaveLength(1);

      const token: ClientToken = { ...(await newToken(keys[0]!.key)).token, id: createId('tok', clock.now()) };
      const hashes = [await createSecret('client'), await createSecret('client')].map(({ hash }) => hash);
      expect(await store.createClientToken(token, hashes[0]!, answer('t', 'first'))).toEqual({ created: true });
      const again = await store.createClientToken(token, hashes[1]!, answer('t', 'second'));
      expect(again).toMatchObject({ created: false, response: { body: 'first' } });
      expect(await store.findClientToken(hashes[1]!)).toBeNull();

      const upload = (id: string) => ({
        id,
        account: 'acc_one',
        end_user: 'a',
        key: `in/acc_one/${id}`,
        content_type: 'image/png',
        bytes: 5,
        created_at: iso(clock.now()),
        expires_at: iso(clock.now() + 900_000),
      });
      expect(await store.createUpload(upload('upl_1'), answer('u', 'first'))).toEqual({ created: true });
      expect(await store.createUpload(upload('upl_2'), answer('u', 'second'))).toMatchObject({ created: false });
      expect(await store.getUpload('upl_1')).toEqual(upload('upl_1'));
      expect(await store.getUpload('upl_2')).toBeNull();
      const other = store.createUpload(upload('upl_3'), { ...answer('u', ''), fingerprint: 'two' });
      expect(await outcomeOf(other)).toBe('idempotency-key-reused');
    });
  });
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
