import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import type { Job } from '../../job.ts';
import { chargedJob } from '../../ledger.ts';
import type { Account, StateStore, UsageRow } from '../../ports.ts';
import { snapshot } from './database.ts';
import type { Accounts } from './sqlite-accounts.ts';

type StatementVerbs = Pick<StateStore, 'listAccounts' | 'getStatement' | 'getUsage'>;

/** Summaries of accounts: for their operators and owners. */
export function createSqliteStatements(db: DatabaseSync, { entriesOf, balanceOf }: Accounts): StatementVerbs {
  const selectAccounts = db.prepare('SELECT id, name, created_at FROM accounts ORDER BY created_at, id');
  // In two parts, of which each has its index.
  const selectJobs = db.prepare(
    `SELECT data FROM jobs WHERE account = ?1 AND deleted_at IS NULL
     UNION ALL SELECT data FROM jobs WHERE account = ?1 AND deleted_at IS NOT NULL`,
  );
  const selectUsage = db.prepare(
    `SELECT day, model, jobs, succeeded, captured FROM usage
     WHERE account = ? AND test = ? AND day BETWEEN ? AND ? ORDER BY day, model`,
  );
  return {
    async listAccounts() {
      return selectAccounts.all() as unknown as Account[];
    },
    async getStatement(account) {
      return snapshot(db, () => {
        const balance = balanceOf(account);
        const jobs = selectJobs.iterate(account).map(({ data }) => chargedJob(JSON.parse(data as string) as Job));
        return { balance, entries: entriesOf(account), jobs: [...jobs] };
      });
    },
    async getUsage({ account, test, from, to }) {
      if (!(from <= to)) throw new AppError('invalid', `The days from ${from} to ${to} are none.`);
      return selectUsage.all(account, test ? 1 : 0, from, to) as unknown as UsageRow[];
    },
  };
}
