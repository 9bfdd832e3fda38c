/**
 * A migration of schema.ts: the cost of old jobs, by account and month. Only entries of a job that is being added to
 * its sum may leave the ledger.
 */
export const SUMS_TABLE = `
  CREATE TABLE sums (
    account TEXT NOT NULL REFERENCES accounts,
    month TEXT NOT NULL,
    jobs INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (account, month)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE being_summed (job_id TEXT PRIMARY KEY) STRICT;
  DROP TRIGGER ledger_keeps_rows;
  CREATE TRIGGER ledger_keeps_rows BEFORE DELETE ON ledger
    WHEN OLD.job_id IS NULL OR OLD.job_id NOT IN (SELECT job_id FROM being_summed) BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
  END;
`;

const WORDS = [
  'client_reference',
  'idempotency_key',
  'end_user',
  'fetch_url',
  'deliver',
  'delivery.detail',
  'webhook',
  'description',
  'notes',
  'trace',
  'error.errors',
];
const PARAMETERS = ['prompt', 'added_prompt', 'negative_prompt', 'tags'];
const PATHS = [...WORDS, ...PARAMETERS.map((name) => `parameters.${name}`)].map((path) => `'$.${path}'`).join(', ');

/** A later migration: earlier versions kept words for ever (shared/forget.ts), and never looked again at jobs without a result. */
export const FORGET_EARLIER = `
  UPDATE jobs SET data = json_remove(data, ${PATHS}) WHERE data ->> 'purged_at' IS NOT NULL;
  UPDATE jobs SET data = json_set(data, '$.error.detail', data ->> '$.error.title')
    WHERE data ->> 'purged_at' IS NOT NULL AND data -> 'error' IS NOT NULL;
  UPDATE jobs SET data = json_set(data, '$.due_at',
      unixepoch(coalesce(data ->> 'finished_at', data ->> 'created_at')) * 1000 + 3600000 * (data ->> 'retention_hours'))
    WHERE status IN ('succeeded', 'failed', 'canceled', 'expired') AND due_at IS NULL AND data ->> 'purged_at' IS NULL;
`;
