import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import type { Statement } from '../../ledger.ts';
import type { Account, StateStore, UsageRow } from '../../ports.ts';
import { transaction } from './database.ts';
import type { Accounts } from './sqlite-accounts.ts';

type StatementVerbs = Pick<StateStore, 'listAccounts' | 'getStatement' | 'getUsage'>;

/** What accounts look like as a whole: for their operators and owners. */
export function createSqliteStatements(db: DatabaseSync, { entriesOf, balanceOf }: Accounts): StatementVerbs {
  const selectAccounts = db.prepare('SELECT id, name, created_at FROM accounts ORDER BY created_at, id');
  const selectCharges = db.prepare(
    `SELECT id, status, data ->> '$.charge.state' AS state, data ->> '$.charge.amount' AS amount
     FROM jobs WHERE account = ? ORDER BY id`,
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
      // One transaction: balance, ledger and jobs must be those of one moment.
      return transaction(db, () => {
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
