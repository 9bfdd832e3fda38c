import { createHash } from 'node:crypto';
import { AppError } from '../../error.ts';
import { answerGone, type Creation, type Idempotency, requestKeyOf } from '../../idempotency.ts';
import type { Job } from '../../job.ts';
import { IDEMPOTENCY_SECONDS } from '../../limits.ts';
import { type Item, keyOf, parse, seconds } from './dynamo-items.ts';
import type { Creating } from './dynamo-quotas.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

type Response = Idempotency['response'];

interface Answer {
  fingerprint: string;
  /** Null: of a deleted resource. */
  response: Response | null;
  /** Milliseconds since 1970. */
  expires_at: number;
}

export type IdempotentAnswers = ReturnType<typeof createIdempotency>;

/** Answers by (account, key), for IDEMPOTENCY_SECONDS. */
export function createIdempotency(dynamo: Dynamo, now: () => number) {
  /** Throws `idempotency-key-reused` when the fingerprint differs, and `gone`. */
  function responseIn(item: Item | undefined, { key, fingerprint }: Pick<Idempotency, 'key' | 'fingerprint'>) {
    const answer = item && parse<Answer>(item);
    if (!answer || answer.expires_at <= now()) return null;
    if (answer.fingerprint === fingerprint) {
      if (!answer.response) throw answerGone();
      return answer.response;
    }
    throw new AppError('idempotency-key-reused', `Idempotency key "${key}" was used for another request.`);
  }

  function itemsOf(account: string, key: string) {
    return dynamo.getMany([keyOf.idempotency(account, key), keyOf.idempotency(account, digestOf(key))]);
  }

  return {
    async find(account: string, request: Pick<Idempotency, 'key' | 'fingerprint'>): Promise<Response | null> {
      const [item, buried] = await itemsOf(account, request.key);
      return responseIn(item ?? buried, request);
    },
    /** Writes that go with the deletion of the job. */
    async forget(job: Job): Promise<Write[]> {
      if (job.idempotency_key === undefined) return [];
      const [item, buried] = await itemsOf(job.account, requestKeyOf(job, job.idempotency_key));
      const request = await dynamo.get(keyOf.request(job.account, job.idempotency_key, job.id));
      const writes: Write[] = request ? [{ remove: request }] : [];
      if (!item) return writes;
      const data = JSON.stringify({ ...parse<Answer>(item), response: null });
      const key = keyOf.idempotency(job.account, digestOf(requestKeyOf(job, job.idempotency_key)));
      const by = { ...key, data, expires_at_seconds: item.expires_at_seconds };
      return [...writes, { remove: item }, { replace: { was: buried ?? null, by } }];
    },
    /** In one transaction: the writes of `create`, and the answer. A repeat writes nothing. */
    async once(account: string, request: Idempotency | undefined, create: () => Promise<Creating>): Promise<Creation> {
      return dynamo.transact<Creation>(async () => {
        if (!request) return created(await create());
        const key = keyOf.idempotency(account, request.key);
        const [item, buried] = await itemsOf(account, request.key);
        const response = responseIn(item ?? buried, request);
        if (response) return { result: { created: false, response }, writes: [] };
        const { fingerprint, response: answered, keepUntil = Number.POSITIVE_INFINITY } = request;
        const expires_at = Math.min(now() + IDEMPOTENCY_SECONDS * 1000, keepUntil);
        const answer: Answer = { fingerprint, response: answered, expires_at };
        const by = { ...key, data: JSON.stringify(answer), expires_at_seconds: seconds(expires_at) };
        const { writes, levels } = await create();
        return created({ writes: [...writes, { replace: { was: item ?? null, by } }], levels });
      });
    },
  };
}

function created({ writes, levels }: Creating) {
  return { result: { created: true as const, ...(levels.length > 0 && { levels }) }, writes };
}

function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}
