/** A migration of schema.ts: limits of an account on creations in a time and on things kept at the same time. */
export const QUOTA_TABLES = `
  CREATE TABLE quotas (
    account TEXT NOT NULL,
    test INTEGER NOT NULL,
    policy TEXT NOT NULL,
    full_at INTEGER NOT NULL,
    PRIMARY KEY (account, test, policy)
  ) STRICT, WITHOUT ROWID;

  CREATE INDEX jobs_unfinished ON jobs (account, test)
    WHERE status IN ('awaiting_upload', 'queued', 'starting', 'running');

  ALTER TABLE uploads ADD COLUMN test INTEGER AS (coalesce(data ->> 'test', 0));
  ALTER TABLE uploads ADD COLUMN token_id TEXT AS (data ->> 'token_id');
  ALTER TABLE uploads ADD COLUMN bytes INTEGER AS (data ->> 'bytes');
  ALTER TABLE uploads ADD COLUMN restored INTEGER AS (data ->> 'restored');
  UPDATE uploads SET data = json_set(data, '$.restored', json('true')) WHERE test = 0 AND EXISTS
    (SELECT 1 FROM jobs WHERE jobs.account = uploads.account AND upload_id = uploads.id AND deleted_at IS NULL
     AND +status = 'succeeded' AND data ->> 'task' IS NULL AND data ->> '$.parameters.preview' IS NULL);
  CREATE INDEX uploads_idle ON uploads (account, test, bytes) WHERE restored IS NULL;
  CREATE INDEX uploads_of_token ON uploads (token_id) WHERE token_id IS NOT NULL;
`;
