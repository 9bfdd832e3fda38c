import { CHECKPOINTS_TABLE } from './checkpoints.ts';
import { BATCH_TABLES, DELIVERIES_BY_MODE, OUTBOX_TABLES, RECEIVERS_TABLE, SENDERS_TABLE } from './outbox-schema.ts';
import { QUOTA_TABLES } from './quota-schema.ts';
import { FORGET_EARLIER, SUMS_TABLE } from './sums-schema.ts';
import { TOTALS_TABLES, USAGE_TABLE } from './totals-schema.ts';

/**
 * Migrations of `openDatabase`, in this order and each once (`PRAGMA user_version` counts them). Only ever append.
 *
 * Jobs, keys and uploads are kept as the JSON of their type; the columns beside it are read out of it by SQLite itself,
 * so that no fact is stored twice.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0)
  ) STRICT;

  CREATE TABLE keys (
    hash TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE AS (data ->> 'id'),
    account TEXT NOT NULL REFERENCES accounts AS (data ->> 'account')
  ) STRICT;
  CREATE INDEX keys_of_account ON keys (account, id);

  CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES accounts AS (data ->> 'account'),
    created_at TEXT NOT NULL AS (data ->> 'created_at')
  ) STRICT;
  CREATE INDEX uploads_by_age ON uploads (created_at);

  CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES accounts AS (data ->> 'account'),
    status TEXT NOT NULL AS (data ->> 'status'),
    upload_id TEXT NOT NULL AS (data ->> 'upload_id'),
    client_reference TEXT AS (data ->> 'client_reference'),
    idempotency_key TEXT AS (data ->> 'idempotency_key'),
    due_at INTEGER AS (data ->> 'due_at'),
    deleted_at TEXT AS (data ->> 'deleted_at')
  ) STRICT;
  CREATE INDEX jobs_of_account ON jobs (account, id) WHERE deleted_at IS NULL;
  CREATE INDEX jobs_by_status ON jobs (account, status, id) WHERE deleted_at IS NULL;
  CREATE INDEX jobs_by_reference ON jobs (account, client_reference, id) WHERE client_reference IS NOT NULL;
  CREATE INDEX jobs_by_key ON jobs (account, idempotency_key, id) WHERE idempotency_key IS NOT NULL;
  CREATE INDEX jobs_of_upload ON jobs (account, upload_id, id) WHERE deleted_at IS NULL;
  CREATE INDEX jobs_due ON jobs (due_at) WHERE due_at IS NOT NULL;

  CREATE TABLE idempotency (
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    response TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (account, key)
  ) STRICT;
  CREATE INDEX idempotency_by_age ON idempotency (expires_at);

  CREATE TABLE ledger (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES accounts,
    kind TEXT NOT NULL,
    job_id TEXT REFERENCES jobs,
    payment TEXT,
    amount INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    CHECK (CASE kind
      WHEN 'reserve' THEN amount <= 0
      WHEN 'capture' THEN amount = 0
      WHEN 'release' THEN amount >= 0
      WHEN 'top_up' THEN amount > 0
      ELSE false END),
    CHECK (CASE kind WHEN 'top_up' THEN payment IS NOT NULL ELSE job_id IS NOT NULL END)
  ) STRICT;
  CREATE UNIQUE INDEX ledger_once ON ledger (job_id, kind) WHERE job_id IS NOT NULL;
  CREATE UNIQUE INDEX ledger_capture_or_release ON ledger (job_id) WHERE kind IN ('capture', 'release');
  CREATE UNIQUE INDEX ledger_payment ON ledger (account, payment) WHERE payment IS NOT NULL;
  CREATE INDEX ledger_of_account ON ledger (account, position);

  CREATE TRIGGER ledger_moves_balance AFTER INSERT ON ledger BEGIN
    UPDATE accounts SET balance = balance + NEW.amount WHERE id = NEW.account;
  END;
  CREATE TRIGGER ledger_keeps_rows BEFORE DELETE ON ledger BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
  END;
  CREATE TRIGGER ledger_keeps_values BEFORE UPDATE ON ledger BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
  END;

  CREATE TABLE messages (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    tenant TEXT NOT NULL,
    job_id TEXT NOT NULL,
    visible_at INTEGER NOT NULL DEFAULT 0,
    receive_count INTEGER NOT NULL DEFAULT 0,
    receipt TEXT
  ) STRICT;
  CREATE INDEX messages_in_order ON messages (queue, tenant, position);
  CREATE INDEX messages_by_visibility ON messages (queue, visible_at);
  CREATE UNIQUE INDEX messages_by_receipt ON messages (receipt) WHERE receipt IS NOT NULL;

  CREATE TABLE tenants (
    queue TEXT NOT NULL,
    tenant TEXT NOT NULL,
    last_turn INTEGER NOT NULL DEFAULT 0,
    message_count INTEGER NOT NULL,
    PRIMARY KEY (queue, tenant)
  ) STRICT;
  CREATE INDEX tenants_by_turn ON tenants (queue, last_turn);

  CREATE TRIGGER message_enters AFTER INSERT ON messages BEGIN
    INSERT INTO tenants (queue, tenant, message_count) VALUES (NEW.queue, NEW.tenant, 1)
      ON CONFLICT DO UPDATE SET message_count = message_count + 1;
  END;
  CREATE TRIGGER message_leaves AFTER DELETE ON messages BEGIN
    UPDATE tenants SET message_count = message_count - 1 WHERE queue = OLD.queue AND tenant = OLD.tenant;
  END;
  CREATE TRIGGER message_moves AFTER UPDATE OF queue ON messages BEGIN
    UPDATE tenants SET message_count = message_count - 1 WHERE queue = OLD.queue AND tenant = OLD.tenant;
    INSERT INTO tenants (queue, tenant, message_count) VALUES (NEW.queue, NEW.tenant, 1)
      ON CONFLICT DO UPDATE SET message_count = message_count + 1;
  END;
  `,
  `
  ALTER TABLE jobs ADD COLUMN key_id TEXT AS (data ->> 'key_id');
  ALTER TABLE jobs ADD COLUMN token_id TEXT AS (data ->> 'token_id');
  ALTER TABLE jobs ADD COLUMN end_user TEXT AS (data ->> 'end_user');
  ALTER TABLE jobs ADD COLUMN test INTEGER AS (coalesce(data ->> 'test', 0));
  CREATE INDEX jobs_unfinished_of_key ON jobs (key_id)
    WHERE status IN ('awaiting_upload', 'queued', 'starting', 'running');
  CREATE INDEX jobs_of_token ON jobs (token_id) WHERE token_id IS NOT NULL;
  CREATE INDEX jobs_of_end_user ON jobs (account, end_user, id) WHERE end_user IS NOT NULL;

  CREATE TABLE earlier_secrets (
    hash TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    valid_until INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX earlier_secrets_of_key ON earlier_secrets (key_id);

  CREATE TABLE client_tokens (
    hash TEXT PRIMARY KEY,
    data TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE AS (data ->> 'id'),
    key_id TEXT NOT NULL AS (data ->> 'key_id'),
    expires_at TEXT NOT NULL AS (data ->> 'expires_at')
  ) STRICT;
  CREATE INDEX client_tokens_by_age ON client_tokens (expires_at);

  CREATE TABLE key_spending (
    key_id TEXT PRIMARY KEY,
    spent INTEGER NOT NULL
  ) STRICT;
  CREATE TRIGGER ledger_counts_for_key AFTER INSERT ON ledger WHEN NEW.job_id IS NOT NULL BEGIN
    INSERT INTO key_spending (key_id, spent)
      SELECT key_id, 0 - NEW.amount FROM jobs WHERE id = NEW.job_id AND key_id IS NOT NULL
      ON CONFLICT DO UPDATE SET spent = spent + excluded.spent;
  END;
  `,
  OUTBOX_TABLES,
  `CREATE INDEX jobs_by_time ON jobs (account, data ->> 'created_at')`,
  BATCH_TABLES,
  TOTALS_TABLES,
  // Version 1 reserved the price of a job, then always 0, before its photo was there. A second reservation is
  // impossible: without this such a job would await its photo for ever. The removed rows have moved no money.
  `
  DROP TRIGGER ledger_keeps_rows;
  DELETE FROM ledger WHERE kind = 'reserve' AND amount = 0 AND job_id IN
    (SELECT id FROM jobs WHERE status = 'awaiting_upload' AND data ->> '$.charge.state' = 'reserved');
  CREATE TRIGGER ledger_keeps_rows BEFORE DELETE ON ledger BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
  END;
  UPDATE jobs SET data = json_set(data, '$.charge.state', 'pending')
    WHERE status = 'awaiting_upload' AND data ->> '$.charge.state' = 'reserved' AND data ->> '$.charge.amount' = 0;
  `,
  'CREATE TABLE paces (model TEXT PRIMARY KEY, data TEXT NOT NULL) STRICT',
  `
  CREATE INDEX jobs_by_mode ON jobs (account, test, id) WHERE deleted_at IS NULL;
  CREATE INDEX jobs_by_mode_and_status ON jobs (account, test, status, id) WHERE deleted_at IS NULL;
  `,
  USAGE_TABLE,
  // Rows to clear away by age are found by age, and waiting tenants without a look at the others.
  `
  DROP INDEX deliveries_finished;
  CREATE INDEX deliveries_finished ON deliveries (data ->> 'created_at') WHERE status <> 'pending';
  CREATE INDEX tenants_waiting ON tenants (queue, last_turn, tenant) WHERE message_count > 0;
  `,
  RECEIVERS_TABLE,
  'CREATE INDEX jobs_deleted ON jobs (account) WHERE deleted_at IS NOT NULL',
  DELIVERIES_BY_MODE,
  SENDERS_TABLE,
  QUOTA_TABLES,
  // Jobs that somebody waits for are swept first (shared/urgency.ts).
  `
  ALTER TABLE jobs ADD COLUMN urgency TEXT AS (CASE
    WHEN data ->> 'deleted_at' IS NOT NULL THEN 'deleted'
    WHEN status IN ('awaiting_upload', 'queued', 'starting', 'running') THEN 'unfinished'
    ELSE 'ended' END);
  DROP INDEX jobs_due;
  CREATE INDEX jobs_due ON jobs (urgency, due_at, id) WHERE due_at IS NOT NULL;
  DROP INDEX uploads_by_age;
  CREATE INDEX uploads_by_age ON uploads (created_at, id);
  `,
  CHECKPOINTS_TABLE,
  SUMS_TABLE,
  FORGET_EARLIER,
  'CREATE INDEX batches_of_account ON batches (account)',
];
