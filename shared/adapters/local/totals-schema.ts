/** A migration of schema.ts: what is counted as it happens, so that nobody has to count it. */
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
