import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import type { ApiKey, ClientToken } from '../../keys.ts';
import { LAST_USED_SECONDS, UPLOAD_RETENTION_SECONDS } from '../../limits.ts';
import type { StateStore } from '../../ports.ts';
import type { IdempotentAnswers } from './sqlite-idempotency.ts';
import type { Quotas } from './sqlite-quotas.ts';

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

interface Parts {
  idempotency: IdempotentAnswers;
  quotas: Quotas;
  now: () => number;
}

/** Each new token clears away so many old ones: the table shrinks faster than it grows. */
const CLEARED_PER_TOKEN = 2;

/** API keys with their secrets' hashes, and the client tokens of keys. */
export function createSqliteKeys(db: DatabaseSync, parts: Parts): KeyVerbs {
  const { idempotency, quotas, now } = parts;
  const insert = db.prepare('INSERT INTO keys (hash, data) VALUES (?, ?)');
  const find = db.prepare('SELECT data FROM keys WHERE hash = ?');
  const findByEarlier = db.prepare(
    `SELECT data FROM earlier_secrets JOIN keys ON keys.id = key_id
     WHERE earlier_secrets.hash = ? AND valid_until > ?`,
  );
  const list = db.prepare(
    `SELECT data, coalesce(spent, 0) AS spent FROM keys LEFT JOIN key_spending ON key_id = keys.id
     WHERE account = ? ORDER BY id`,
  );
  const revoke = db.prepare(
    `UPDATE keys SET data = json_set(data, '$.revoked_at', coalesce(data ->> 'revoked_at', ?))
     WHERE account = ? AND id = ? RETURNING data`,
  );
  const touch = db.prepare(
    `UPDATE keys SET data = json_set(data, '$.last_used_at', ?1)
     WHERE id = ?2 AND coalesce(data ->> 'last_used_at', '') <= ?3`,
  );
  return {
    async createKey(key, hash, request) {
      return idempotency.once(key.account, request, () => {
        insert.run(hash, JSON.stringify(key));
        return quotas.take(key, 'keys');
      });
    },
    async findKey(hash) {
      return parse<ApiKey>(find.get(hash) ?? findByEarlier.get(hash, now()));
    },
    async listKeys(account) {
      return list.all(account).map((row) => ({ ...parse<ApiKey>(row)!, spent: row.spent as number }));
    },
    async revokeKey(account, id) {
      return parse<ApiKey>(revoke.get(iso(now()), account, id));
    },
    rotateKey: createRotation(db, parts),
    async touchKey(id) {
      touch.run(iso(now()), id, iso(now() - LAST_USED_SECONDS * 1000));
    },
    ...createClientTokens(db, parts),
  };
}

function createRotation(db: DatabaseSync, { idempotency, quotas, now }: Parts): KeyVerbs['rotateKey'] {
  const select = db.prepare('SELECT hash, data FROM keys WHERE account = ? AND id = ?');
  const replace = db.prepare('UPDATE keys SET hash = ?, data = ? WHERE hash = ?');
  const insertEarlier = db.prepare('INSERT INTO earlier_secrets (hash, key_id, valid_until) VALUES (?, ?, ?)');
  const shorten = db.prepare('UPDATE earlier_secrets SET valid_until = min(valid_until, ?) WHERE key_id = ?');
  const clear = db.prepare('DELETE FROM earlier_secrets WHERE key_id = ? AND valid_until <= ?');
  return async (account, id, { hash, last4, overlapSeconds, rotated_at }, request) => {
    // A key never goes.
    if (!select.get(account, id)) return null;
    return idempotency.once(account, request, () => {
      const row = select.get(account, id)!;
      const key = parse<ApiKey>(row)!;
      if (key.revoked_at) throw new AppError('conflict', `The key ${id} was revoked at ${key.revoked_at}.`);
      const time = now();
      insertEarlier.run(row.hash as string, id, time + overlapSeconds * 1000);
      shorten.run(time + overlapSeconds * 1000, id);
      clear.run(id, time);
      replace.run(hash, JSON.stringify({ ...key, last4, rotated_at }), row.hash as string);
      return quotas.take(key, 'keys');
    });
  };
}

function createClientTokens(db: DatabaseSync, { idempotency, quotas, now }: Parts) {
  const insert = db.prepare('INSERT INTO client_tokens (hash, data) VALUES (?, ?)');
  const find = db.prepare(
    `SELECT client_tokens.data AS token, keys.data AS key
     FROM client_tokens JOIN keys ON keys.id = key_id WHERE client_tokens.hash = ?`,
  );
  const clear = db.prepare(
    `DELETE FROM client_tokens WHERE rowid IN
       (SELECT rowid FROM client_tokens WHERE expires_at <= ? ORDER BY expires_at LIMIT ${CLEARED_PER_TOKEN})`,
  );
  const verbs: Pick<StateStore, 'createClientToken' | 'findClientToken'> = {
    async createClientToken(token, hash, request) {
      return idempotency.once(token.account, request, () => {
        // A job that still awaits its upload is held against its token when the file comes.
        clear.run(iso(now() - UPLOAD_RETENTION_SECONDS * 1000));
        insert.run(hash, JSON.stringify(token));
        return quotas.take(token, 'tokens');
      });
    },
    async findClientToken(hash) {
      const row = find.get(hash) as { token: string; key: string } | undefined;
      return row ? { token: JSON.parse(row.token) as ClientToken, key: JSON.parse(row.key) as ApiKey } : null;
    },
  };
  return verbs;
}

function parse<T>(row: Record<string, unknown> | undefined): T | null {
  return row ? (JSON.parse(row.data as string) as T) : null;
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
