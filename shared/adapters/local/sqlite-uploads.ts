import type { DatabaseSync } from 'node:sqlite';
import { hasRestored } from '../../caps.ts';
import type { Job } from '../../job.ts';
import { UPLOAD_RETENTION_SECONDS } from '../../limits.ts';
import type { StateStore, Upload } from '../../ports.ts';
import { transaction } from './database.ts';
import type { Caps } from './sqlite-caps.ts';
import type { IdempotentAnswers } from './sqlite-idempotency.ts';

type UploadVerbs = Pick<
  StateStore,
  'createUpload' | 'getUpload' | 'updateUpload' | 'deleteUpload' | 'listStaleUploads'
>;

interface Parts {
  caps: Caps;
  idempotency: IdempotentAnswers;
  now: () => number;
}

export type SqliteUploads = ReturnType<typeof createSqliteUploads>;

export function createSqliteUploads(db: DatabaseSync, { caps, idempotency, now }: Parts) {
  const insert = db.prepare('INSERT INTO uploads (id, data) VALUES (?, ?)');
  const select = db.prepare('SELECT data FROM uploads WHERE id = ?');
  const update = db.prepare('UPDATE uploads SET data = ? WHERE id = ?');
  const remove = db.prepare('DELETE FROM uploads WHERE id = ?');
  const selectStale = db.prepare(
    `SELECT data FROM uploads WHERE created_at < ? AND (created_at, id) > (?, ?) AND NOT EXISTS
       (SELECT 1 FROM jobs WHERE jobs.account = uploads.account AND upload_id = uploads.id AND deleted_at IS NULL
        AND status IN ('awaiting_upload', 'queued', 'starting', 'running'))
     ORDER BY created_at, id LIMIT ?`,
  );

  /** Inside a transaction. */
  function change(id: string, changes: Partial<Upload>): Upload | null {
    const upload = parse(select.get(id));
    if (!upload) return null;
    const changed = { ...upload, ...changes };
    update.run(JSON.stringify(changed), id);
    return changed;
  }

  const verbs: UploadVerbs = {
    async createUpload(upload, request) {
      return idempotency.once(upload.account, request, () => {
        caps.checkNewUpload(upload);
        insert.run(upload.id, JSON.stringify(upload));
        return [];
      });
    },
    async getUpload(id) {
      return parse(select.get(id));
    },
    async updateUpload(id, changes) {
      return transaction(db, () => change(id, changes));
    },
    async deleteUpload(id) {
      remove.run(id);
    },
    async listStaleUploads(limit, { created_at, id } = { created_at: '', id: '' } as Upload) {
      const before = new Date(now() - UPLOAD_RETENTION_SECONDS * 1000).toISOString();
      return selectStale.all(before, created_at, id, limit).map((row) => parse(row)!);
    },
  };
  return {
    verbs,
    /** Inside the transaction in which the job goes from `before` to `after`. */
    record(before: Job, after: Job): void {
      if (hasRestored(before, after)) change(after.upload_id, { restored: true });
    },
  };
}

function parse(row: Record<string, unknown> | undefined): Upload | null {
  return row ? (JSON.parse(row.data as string) as Upload) : null;
}
