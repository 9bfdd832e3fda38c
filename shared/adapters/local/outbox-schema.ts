/** A migration of schema.ts: receivers of webhooks, and everything that is to be sent or fetched. */
export const OUTBOX_TABLES = `
  CREATE TABLE endpoints (
    id TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES accounts AS (data ->> 'account'),
    url TEXT AS (data ->> 'url')
  ) STRICT;
  CREATE INDEX endpoints_of_account ON endpoints (account, id);
  CREATE UNIQUE INDEX endpoints_signer ON endpoints (account) WHERE url IS NULL;

  CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES accounts AS (data ->> 'account'),
    kind TEXT NOT NULL AS (data ->> 'kind'),
    endpoint_id TEXT AS (data ->> 'endpoint_id'),
    job_id TEXT AS (data ->> 'job_id'),
    status TEXT NOT NULL AS (data ->> 'status'),
    target TEXT AS (coalesce(data ->> 'url', data ->> 'endpoint_id')),
    claimed INTEGER AS (data ->> 'claimed'),
    due_at INTEGER AS (data ->> 'due_at')
  ) STRICT;
  CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX deliveries_claimed ON deliveries (account, target) WHERE claimed IS NOT NULL;
  CREATE INDEX deliveries_of_account ON deliveries (account, id) WHERE kind = 'webhook';
  CREATE INDEX deliveries_of_endpoint ON deliveries (endpoint_id, id) WHERE endpoint_id IS NOT NULL;
  CREATE INDEX deliveries_of_job ON deliveries (job_id, id) WHERE job_id IS NOT NULL;
  CREATE INDEX deliveries_finished ON deliveries (id) WHERE status <> 'pending';
`;

/** A later migration. */
export const BATCH_TABLES = `
  ALTER TABLE jobs ADD COLUMN batch_id TEXT AS (data ->> 'batch_id');
  CREATE INDEX jobs_of_batch ON jobs (account, batch_id, id) WHERE batch_id IS NOT NULL;

  CREATE TABLE batches (
    id TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES accounts AS (data ->> 'account')
  ) STRICT;
`;
