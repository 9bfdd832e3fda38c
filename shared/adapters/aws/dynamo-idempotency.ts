import { AppError } from '../../error.ts';
import { IDEMPOTENCY_SECONDS } from '../../limits.ts';
import type { Creation, Idempotency } from '../../ports.ts';
import { type Item, keyOf, parse, seconds } from './dynamo-items.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

type Response = Idempotency['response'];

interface Answer {
  fingerprint: string;
  response: Response;
  /** Milliseconds since 1970. */
  expires_at: number;
}

export type IdempotentAnswers = ReturnType<typeof createIdempotency>;

/** Answers by (account, key), for IDEMPOTENCY_SECONDS. */
export function createIdempotency(dynamo: Dynamo, now: () => number) {
  /** Throws `idempotency-key-reused` when the fingerprint differs. */
  function responseIn(item: Item | undefined, { key, fingerprint }: Pick<Idempotency, 'key' | 'fingerprint'>) {
    const answer = item && parse<Answer>(item);
    if (!answer || answer.expires_at <= now()) return null;
    if (answer.fingerprint === fingerprint) return answer.response;
    throw new AppError('idempotency-key-reused', `Idempotency key "${key}" was used for another request.`);
  }

  return {
    async find(account: string, request: Pick<Idempotency, 'key' | 'fingerprint'>): Promise<Response | null> {
      return responseIn(await dynamo.get(keyOf.idempotency(account, request.key)), request);
    },
    /** In one transaction: what `create` wants to write, and the answer. A repeat writes nothing. */
    async once(
      account: string,
      request: Idempotency | undefined,
      create: () => Promise<Write[]> | Write[],
    ): Promise<Creation> {
      return dynamo.transact<Creation>(async () => {
        if (!request) return { result: { created: true }, writes: await create() };
        const key = keyOf.idempotency(account, request.key);
        const item = await dynamo.get(key);
        const response = responseIn(item, request);
        if (response) return { result: { created: false, response }, writes: [] };
        const expires_at = now() + IDEMPOTENCY_SECONDS * 1000;
        const answer: Answer = { fingerprint: request.fingerprint, response: request.response, expires_at };
        const by = { ...key, data: JSON.stringify(answer), expires_at_seconds: seconds(expires_at) };
        const writes = [...(await create()), { replace: { was: item ?? null, by } }];
        return { result: { created: true }, writes };
      });
    },
  };
}
