import type { DatabaseSync } from 'node:sqlite';
import type { ApiKey } from '../../keys.ts';
import { UPLOAD_RETENTION_SECONDS } from '../../limits.ts';
import type { StateStore, Upload } from '../../ports.ts';
import { createSqliteAccounts } from './sqlite-accounts.ts';
import { createSqliteJobs } from './sqlite-jobs.ts';

type KeyVerbs = Pick<StateStore, 'createKey' | 'findKey' | 'listKeys' | 'revokeKey'>;
type UploadVerbs = Pick<StateStore, 'createUpload' | 'getUpload' | 'deleteUpload' | 'listStaleUploads'>;

interface Options {
  /** Milliseconds since 1970. */
  now: () => number;
}

/** Durable state in the database of `openDatabase`, which the caller closes. */
export function createSqliteStateStore(db: DatabaseSync, { now }: Options): StateStore {
  const accounts = createSqliteAccounts(db, now);
  return {
    ...accounts.verbs,
    ...createSqliteKeys(db, now),
    ...createSqliteUploads(db, now),
    ...createSqliteJobs(db, accounts, now),
  };
}

function createSqliteKeys(db: DatabaseSync, now: () => number): KeyVerbs {
  const insert = db.prepare('INSERT INTO keys (hash, data) VALUES (?, ?)');
  const find = db.prepare('SELECT data FROM keys WHERE hash = ?');
  const list = db.prepare('SELECT data FROM keys WHERE account = ? ORDER BY id');
  const revoke = db.prepare(
    `UPDATE keys SET data = json_set(data, '$.revoked_at', coalesce(data ->> 'revoked_at', ?))
     WHERE account = ? AND id = ? RETURNING data`,
  );
  return {
    async createKey(key, hash) {
      insert.run(hash, JSON.stringify(key));
    },
    async findKey(hash) {
      return parse<ApiKey>(find.get(hash));
    },
    async listKeys(account) {
      return list.all(account).map((row) => parse<ApiKey>(row)!);
    },
    async revokeKey(account, id) {
      return parse<ApiKey>(revoke.get(new Date(now()).toISOString(), account, id));
    },
  };
}

function createSqliteUploads(db: DatabaseSync, now: () => number): UploadVerbs {
  const insert = db.prepare('INSERT INTO uploads (id, data) VALUES (?, ?)');
  const select = db.prepare('SELECT data FROM uploads WHERE id = ?');
  const remove = db.prepare('DELETE FROM uploads WHERE id = ?');
  const selectStale = db.prepare(
    `SELECT data FROM uploads WHERE created_at < ? AND NOT EXISTS
       (SELECT 1 FROM jobs WHERE jobs.account = uploads.account AND upload_id = uploads.id AND deleted_at IS NULL
        AND status IN ('awaiting_upload', 'queued', 'starting', 'running'))
     ORDER BY created_at LIMIT ?`,
  );
  return {
    async createUpload(upload) {
      insert.run(upload.id, JSON.stringify(upload));
    },
    async getUpload(id) {
      return parse<Upload>(select.get(id));
    },
    async deleteUpload(id) {
      remove.run(id);
    },
    async listStaleUploads(limit) {
      const before = new Date(now() - UPLOAD_RETENTION_SECONDS * 1000).toISOString();
      return selectStale.all(before, limit).map((row) => parse<Upload>(row)!);
    },
  };
}

function parse<T>(row: Record<string, unknown> | undefined): T | null {
  return row ? (JSON.parse(row.data as string) as T) : null;
}
