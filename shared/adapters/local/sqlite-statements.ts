import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import type { Statement } from '../../ledger.ts';
import type { Account, StateStore, UsageRow } from '../../ports.ts';
import { snapshot } from './database.ts';
import type { Accounts } from './sqlite-accounts.ts';

type StatementVerbs = Pick<StateStore, 'listAccounts' | 'getStatement' | 'getUsage'>;

/** What accounts look like as a whole: for their operators and owners. */
export function createSqliteStatements(db: DatabaseSync, { entriesOf, balanceOf }: Accounts): StatementVerbs {
  const selectAccounts = db.prepare('SELECT id, name, created_at FROM accounts ORDER BY created_at, id');
  const columns = `id, status, data ->> '$.charge.state' AS state, data ->> '$.charge.amount' AS amount`;
  // In two parts, of which each has its index.
  const selectCharges = db.prepare(
    `SELECT ${columns} FROM jobs WHERE account = ?1 AND deleted_at IS NULL
     UNION ALL SELECT ${columns} FROM jobs WHERE account = ?1 AND deleted_at IS NOT NULL`,
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
        const jobs = selectCharges.all(account).map(({ id, status, state, amount }) => {
          return { id, status, charge: { state, amount } } as Statement['jobs'][number];
        });
        return { balance, entries: entriesOf(account), jobs };
      });
    },
    async getUsage({ account, test, from, to }) {
      if (!(from <= to)) throw new AppError('invalid', `The days from ${from} to ${to} are none.`);
      return selectUsage.all(account, test ? 1 : 0, from, to) as unknown as UsageRow[];
    },
  };
}
