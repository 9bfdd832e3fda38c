import { AppError } from '../../error.ts';
import type { ApiKey, ClientToken } from '../../keys.ts';
import { LAST_USED_SECONDS, UPLOAD_RETENTION_SECONDS } from '../../limits.ts';
import type { StateStore } from '../../ports.ts';
import type { IdempotentAnswers } from './dynamo-idempotency.ts';
import { type Item, indexKeyOf, keyOf, parse, seconds } from './dynamo-items.ts';
import type { Quotas } from './dynamo-quotas.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

type KeyVerbs = Pick<
  StateStore,
  | 'createKey'
  | 'findKey'
  | 'listKeys'
  | 'revokeKey'
  | 'rotateKey'
  | 'touchKey'
  | 'createClientToken'
  | 'findClientToken'
>;

/** Hashes of the secrets that a key had, with the time (ms) until which they are valid. */
type Earlier = { hash: string; valid_until: number }[];

interface Parts {
  idempotency: IdempotentAnswers;
  quotas: Quotas;
  now: () => number;
}

/** API keys with their secrets' hashes, and the client tokens of keys. */
export function createDynamoKeys(dynamo: Dynamo, parts: Parts): KeyVerbs {
  const { idempotency, quotas, now } = parts;
  /** Null: the account has no such key. */
  async function change(account: string, id: string, next: (key: ApiKey) => ApiKey) {
    return dynamo.transact<ApiKey | null>(async () => {
      const item = await dynamo.get(keyOf.apiKey(id));
      const key = item && parse<ApiKey>(item);
      if (!key || key.account !== account) return { result: null, writes: [] };
      const changed = next(key);
      return { result: changed, writes: [{ replace: { was: item, by: withData(item, changed) } }] };
    });
  }

  return {
    async createKey(key, hash, request) {
      const list_of = indexKeyOf.apiKeys(key.account);
      const by = { ...keyOf.apiKey(key.id), data: JSON.stringify(key), hash, earlier: [], list_of, sort: key.id };
      return idempotency.once(key.account, request, async () => {
        const { writes, levels } = await quotas.take(key, 'keys');
        const items = [by, { ...keyOf.secret(hash), key_id: key.id }];
        return { writes: [...items.map((item) => ({ replace: { was: null, by: item } })), ...writes], levels };
      });
    },
    async findKey(hash) {
      const secret = await dynamo.get(keyOf.secret(hash));
      if (!secret || secret.token_id) return null;
      const item = await dynamo.get(keyOf.apiKey(secret.key_id as string));
      if (!item) return null;
      const isEarlier = (item.earlier as Earlier).some((old) => old.hash === hash && old.valid_until > now());
      return item.hash === hash || isEarlier ? parse<ApiKey>(item) : null;
    },
    async listKeys(account) {
      const ids: string[] = [];
      for await (const page of dynamo.queryIndex('list', indexKeyOf.apiKeys(account))) {
        ids.push(...page.map(({ sort }) => sort!));
      }
      const items = await dynamo.getMany(ids.flatMap((id) => [keyOf.apiKey(id), keyOf.keyUse(id)]));
      return ids.flatMap((_, i) => {
        const [key, use] = [items[2 * i], items[2 * i + 1]];
        return key ? [{ ...parse<ApiKey>(key), spent: (use?.spent as number | undefined) ?? 0 }] : [];
      });
    },
    async revokeKey(account, id) {
      return change(account, id, (key) => ({ ...key, revoked_at: key.revoked_at ?? iso(now()) }));
    },
    async rotateKey(account, id, { hash, last4, overlapSeconds, rotated_at }, request) {
      const known = await dynamo.get(keyOf.apiKey(id));
      // A key never goes.
      if (!known || parse<ApiKey>(known).account !== account) return null;
      return idempotency.once(account, request, async () => {
        const item = (await dynamo.get(keyOf.apiKey(id)))!;
        const key = parse<ApiKey>(item);
        if (key.revoked_at) throw new AppError('conflict', `The key ${id} was revoked at ${key.revoked_at}.`);
        const valid_until = now() + overlapSeconds * 1000;
        const earlier = [
          ...(item.earlier as Earlier).map((old) => ({ ...old, valid_until: Math.min(old.valid_until, valid_until) })),
          { hash: item.hash, valid_until },
        ].filter((old) => old.valid_until > now());
        const rotated = withData(item, { ...key, last4, rotated_at });
        const rates = await quotas.take(key, 'keys');
        const writes: Write[] = [
          ...rates.writes,
          { replace: { was: item, by: { ...rotated, hash, earlier } } },
          { replace: { was: null, by: { ...keyOf.secret(hash), key_id: id } } },
          { add: keyOf.secret(item.hash as string), amounts: { expires_at_seconds: seconds(valid_until) } },
        ];
        return { writes, levels: rates.levels };
      });
    },
    async touchKey(id) {
      const item = await dynamo.get(keyOf.apiKey(id));
      const key = item && parse<ApiKey>(item);
      if (!key || (key.last_used_at ?? '') > iso(now() - LAST_USED_SECONDS * 1000)) return;
      await change(key.account, id, (fresh) => ({ ...fresh, last_used_at: iso(now()) }));
    },
    ...createClientTokens(dynamo, parts),
  };
}

function createClientTokens(dynamo: Dynamo, { idempotency, quotas }: Parts) {
  const verbs: Pick<StateStore, 'createClientToken' | 'findClientToken'> = {
    async createClientToken(token, hash, request) {
      const { id: token_id, key_id, account } = token;
      // A job that still awaits its upload is held against its token when the file comes.
      const keptUntil = Date.parse(token.expires_at) + UPLOAD_RETENTION_SECONDS * 1000;
      const expires_at_seconds = seconds(keptUntil);
      const items = [
        { ...keyOf.clientToken(token_id), data: JSON.stringify(token), expires_at_seconds },
        { ...keyOf.secret(hash), key_id, token_id, expires_at_seconds },
      ];
      return idempotency.once(account, request, async () => {
        const { writes, levels } = await quotas.take(token, 'tokens');
        return { writes: [...items.map((by) => ({ replace: { was: null, by } })), ...writes], levels };
      });
    },
    async findClientToken(hash) {
      const secret = await dynamo.get(keyOf.secret(hash));
      if (!secret?.token_id) return null;
      const [token, key] = await dynamo.getMany([
        keyOf.clientToken(secret.token_id as string),
        keyOf.apiKey(secret.key_id as string),
      ]);
      return token && key ? { token: parse<ClientToken>(token), key: parse<ApiKey>(key) } : null;
    },
  };
  return verbs;
}

function withData(item: Item, key: ApiKey): Item {
  return { ...item, data: JSON.stringify(key) };
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
