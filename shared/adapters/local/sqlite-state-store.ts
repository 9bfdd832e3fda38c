import type { DatabaseSync } from 'node:sqlite';
import { UPLOAD_RETENTION_SECONDS } from '../../limits.ts';
import type { StateStore, Upload } from '../../ports.ts';
import { outwaitingLocks } from './outwait-lock.ts';
import { createSqliteAccounts } from './sqlite-accounts.ts';
import { createSqliteBatches } from './sqlite-batches.ts';
import { createSqliteCaps } from './sqlite-caps.ts';
import { createSqliteIdempotency, type IdempotentAnswers } from './sqlite-idempotency.ts';
import { createSqliteJobs } from './sqlite-jobs.ts';
import { createSqliteKeys } from './sqlite-keys.ts';
import { createSqliteOutbox } from './sqlite-outbox.ts';
import { createSqlitePaces } from './sqlite-paces.ts';
import { createSqliteStatements } from './sqlite-statements.ts';
import { createSqliteTotals } from './sqlite-totals.ts';

type UploadVerbs = Pick<StateStore, 'createUpload' | 'getUpload' | 'deleteUpload' | 'listStaleUploads'>;

interface Options {
  /** Milliseconds since 1970. */
  now: () => number;
  /** Unfinished jobs of one key, where the key itself says nothing. Default: any number. */
  inflightCap?: number;
}

/** Durable state in the database of `openDatabase`, which the caller closes. */
export function createSqliteStateStore(
  db: DatabaseSync,
  { now, inflightCap = Number.POSITIVE_INFINITY }: Options,
): StateStore {
  const accounts = createSqliteAccounts(db, now);
  const idempotency = createSqliteIdempotency(db, now);
  const caps = createSqliteCaps(db, inflightCap);
  const outbox = createSqliteOutbox(db, idempotency, now);
  const batches = createSqliteBatches(db, outbox, now);
  return outwaitingLocks({
    ...accounts.verbs,
    ...createSqliteStatements(db, accounts),
    ...createSqliteTotals(db),
    ...createSqlitePaces(db, now),
    ...outbox.verbs,
    ...createSqliteKeys(db, idempotency, now),
    ...createSqliteUploads(db, idempotency, now),
    ...createSqliteJobs(db, { accounts, caps, idempotency, outbox, batches, now }),
  });
}

function createSqliteUploads(db: DatabaseSync, idempotency: IdempotentAnswers, now: () => number): UploadVerbs {
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
    async createUpload(upload, request) {
      return idempotency.once(upload.account, request, () => insert.run(upload.id, JSON.stringify(upload)));
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
