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

/** The target of a row goes as it ends, and never changes. By ORDER BY: min() would go through all that wait for it. */
const ASK_NEXT = `
    DELETE FROM receivers WHERE account = OLD.account AND target = OLD.target;
    INSERT INTO receivers SELECT account, target, due_at FROM deliveries
      WHERE account = OLD.account AND target = OLD.target AND due_at IS NOT NULL ORDER BY due_at LIMIT 1;`;

/**
 * A later migration: when each receiver, which an account names as a target, is next to be asked. A search for a
 * delivery passes over a receiver that has enough of them in one step, however many wait for it.
 */
export const RECEIVERS_TABLE = `
  CREATE TABLE receivers (
    account TEXT NOT NULL,
    target TEXT NOT NULL,
    next_due INTEGER NOT NULL,
    PRIMARY KEY (account, target)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX receivers_due ON receivers (next_due);
  DROP INDEX deliveries_due;
  CREATE INDEX deliveries_of_receiver ON deliveries (account, target, due_at) WHERE due_at IS NOT NULL;
  INSERT INTO receivers
    SELECT account, target, min(due_at) FROM deliveries WHERE due_at IS NOT NULL GROUP BY account, target;

  CREATE TRIGGER delivery_enters AFTER INSERT ON deliveries WHEN NEW.due_at IS NOT NULL BEGIN
    INSERT INTO receivers VALUES (NEW.account, NEW.target, NEW.due_at)
      ON CONFLICT DO UPDATE SET next_due = excluded.next_due WHERE excluded.next_due < next_due;
  END;
  CREATE TRIGGER delivery_moves AFTER UPDATE ON deliveries WHEN NEW.due_at IS NOT OLD.due_at BEGIN
    ${ASK_NEXT}
  END;
  CREATE TRIGGER delivery_leaves AFTER DELETE ON deliveries WHEN OLD.due_at IS NOT NULL BEGIN
    ${ASK_NEXT}
  END;
`;

/** A later migration: live and test mode apart. */
export const DELIVERIES_BY_MODE = `
  ALTER TABLE deliveries ADD COLUMN test INTEGER AS (coalesce(data ->> 'test', 0));
  DROP INDEX deliveries_of_account;
  CREATE INDEX deliveries_of_account ON deliveries (account, test, id) WHERE kind = 'webhook';
  DROP INDEX deliveries_of_endpoint;
  CREATE INDEX deliveries_of_endpoint ON deliveries (endpoint_id, test, id) WHERE endpoint_id IS NOT NULL;
`;

const ASK_NEXT_OF_SENDER = (sender: string) => `
    DELETE FROM senders WHERE sender = ${sender};
    INSERT INTO senders SELECT sender, next_due FROM receivers WHERE sender = ${sender} ORDER BY next_due LIMIT 1;`;
const ASK_NEXT_OF_RECEIVER = `
    DELETE FROM receivers WHERE sender = OLD.sender AND target = OLD.target;
    INSERT INTO receivers SELECT sender, target, due_at FROM deliveries
      WHERE sender = OLD.sender AND target = OLD.target AND due_at IS NOT NULL ORDER BY due_at LIMIT 1;`;

/**
 * A later migration: receivers belong to senders (shared/lanes.ts), of which it is known too when each is next to be
 * asked. A search for a delivery passes over a sender that has its share in one step, however many receivers it names.
 */
export const SENDERS_TABLE = `
  ALTER TABLE deliveries ADD COLUMN sender TEXT
    AS (account || CASE WHEN test THEN '/test/' ELSE '/live/' END || kind || '/' || coalesce(data ->> 'end_user', ''));
  DROP TRIGGER delivery_enters;
  DROP TRIGGER delivery_moves;
  DROP TRIGGER delivery_leaves;
  DROP TABLE receivers;
  DROP INDEX deliveries_of_receiver;
  CREATE INDEX deliveries_of_receiver ON deliveries (sender, target, due_at) WHERE due_at IS NOT NULL;
  DROP INDEX deliveries_claimed;
  CREATE INDEX deliveries_claimed ON deliveries (sender, target, due_at) WHERE claimed IS NOT NULL;

  CREATE TABLE receivers (
    sender TEXT NOT NULL,
    target TEXT NOT NULL,
    next_due INTEGER NOT NULL,
    PRIMARY KEY (sender, target)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX receivers_of_sender ON receivers (sender, next_due);
  CREATE TABLE senders (
    sender TEXT PRIMARY KEY,
    next_due INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX senders_due ON senders (next_due);
  INSERT INTO receivers
    SELECT sender, target, min(due_at) FROM deliveries WHERE due_at IS NOT NULL GROUP BY sender, target;
  INSERT INTO senders SELECT sender, min(next_due) FROM receivers GROUP BY sender;

  CREATE TRIGGER receiver_enters AFTER INSERT ON receivers BEGIN ${ASK_NEXT_OF_SENDER('NEW.sender')} END;
  CREATE TRIGGER receiver_moves AFTER UPDATE ON receivers BEGIN ${ASK_NEXT_OF_SENDER('NEW.sender')} END;
  CREATE TRIGGER receiver_leaves AFTER DELETE ON receivers BEGIN ${ASK_NEXT_OF_SENDER('OLD.sender')} END;

  CREATE TRIGGER delivery_enters AFTER INSERT ON deliveries WHEN NEW.due_at IS NOT NULL BEGIN
    INSERT INTO receivers VALUES (NEW.sender, NEW.target, NEW.due_at)
      ON CONFLICT DO UPDATE SET next_due = excluded.next_due WHERE excluded.next_due < next_due;
  END;
  CREATE TRIGGER delivery_moves AFTER UPDATE ON deliveries WHEN NEW.due_at IS NOT OLD.due_at BEGIN
    ${ASK_NEXT_OF_RECEIVER}
  END;
  CREATE TRIGGER delivery_leaves AFTER DELETE ON deliveries WHEN OLD.due_at IS NOT NULL BEGIN
    ${ASK_NEXT_OF_RECEIVER}
  END;
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
