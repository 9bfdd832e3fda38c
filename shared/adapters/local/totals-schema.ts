/** Migrations of schema.ts: running counts, so that nobody has to count. */
export const TOTALS_TABLES = `
  CREATE TABLE totals (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX jobs_queued ON jobs (id) WHERE status = 'queued';

  INSERT INTO totals SELECT 'job:' || status, count(*) FROM jobs GROUP BY status;
  INSERT INTO totals
    SELECT 'captured', 0 - total(amount) FROM ledger AS reserved WHERE kind = 'reserve' AND EXISTS
      (SELECT 1 FROM ledger WHERE job_id = reserved.job_id AND kind = 'capture');
  INSERT INTO totals SELECT 'released', total(amount) FROM ledger WHERE kind = 'release';

  CREATE TRIGGER job_is_counted AFTER INSERT ON jobs BEGIN
    INSERT INTO totals VALUES ('job:' || NEW.status, 1) ON CONFLICT DO UPDATE SET value = value + 1;
  END;
  CREATE TRIGGER job_changes_status AFTER UPDATE OF data ON jobs WHEN OLD.status <> NEW.status BEGIN
    UPDATE totals SET value = value - 1 WHERE name = 'job:' || OLD.status;
    INSERT INTO totals VALUES ('job:' || NEW.status, 1) ON CONFLICT DO UPDATE SET value = value + 1;
  END;
  CREATE TRIGGER ledger_is_counted AFTER INSERT ON ledger WHEN NEW.kind IN ('capture', 'release') BEGIN
    UPDATE totals SET value = value - (SELECT amount FROM ledger WHERE job_id = NEW.job_id AND kind = 'reserve')
      WHERE name = CASE NEW.kind WHEN 'capture' THEN 'captured' ELSE 'released' END;
  END;
`;

/** Of each account by day and model, live and test mode apart. */
export const USAGE_TABLE = `
  CREATE TABLE usage (
    account TEXT NOT NULL,
    test INTEGER NOT NULL,
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    jobs INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    captured INTEGER NOT NULL,
    PRIMARY KEY (account, test, day, model)
  ) STRICT, WITHOUT ROWID;

  INSERT INTO usage SELECT account, test, substr(data ->> 'created_at', 1, 10), data ->> '$.parameters.model', count(*),
    sum(status = 'succeeded'),
    sum(CASE data ->> '$.charge.state' WHEN 'captured' THEN data ->> '$.charge.amount' ELSE 0 END)
    FROM jobs GROUP BY 1, 2, 3, 4;
  DROP INDEX jobs_by_time;

  CREATE TRIGGER job_is_used AFTER INSERT ON jobs BEGIN
    INSERT INTO usage
      VALUES (NEW.account, NEW.test, substr(NEW.data ->> 'created_at', 1, 10), NEW.data ->> '$.parameters.model', 1, 0, 0)
      ON CONFLICT DO UPDATE SET jobs = jobs + 1;
  END;
  CREATE TRIGGER job_has_succeeded AFTER UPDATE OF data ON jobs
    WHEN NEW.status = 'succeeded' AND OLD.status <> 'succeeded'
  BEGIN
    UPDATE usage SET succeeded = succeeded + 1, captured = captured + (NEW.data ->> '$.charge.amount')
      WHERE account = NEW.account AND test = NEW.test AND day = substr(NEW.data ->> 'created_at', 1, 10)
        AND model = NEW.data ->> '$.parameters.model';
  END;
`;
