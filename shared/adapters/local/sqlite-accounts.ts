import type { DatabaseSync } from 'node:sqlite';
import { checkCredit } from '../../caps.ts';
import { AppError } from '../../error.ts';
import { createId } from '../../id.ts';
import type { Job } from '../../job.ts';
import type { LedgerKind } from '../../job-machine.ts';
import type { LedgerEntry } from '../../ledger.ts';
import type { Account, StateStore } from '../../ports.ts';
import { transaction } from './database.ts';

type AccountVerbs = Pick<StateStore, 'createAccount' | 'getAccount' | 'topUp' | 'getBalance' | 'listLedger'>;

export type Accounts = ReturnType<typeof createSqliteAccounts>;

/** Accounts and their money. The database itself moves the balance with every ledger row. */
export function createSqliteAccounts(db: DatabaseSync, now: () => number) {
  const insert = db.prepare('INSERT INTO accounts (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
  const select = db.prepare('SELECT id, name, created_at FROM accounts WHERE id = ?');
  const selectBalance = db.prepare('SELECT balance FROM accounts WHERE id = ?');
  const insertEntry = db.prepare(
    'INSERT INTO ledger (id, account, kind, job_id, payment, amount, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const selectPayment = db.prepare('SELECT 1 FROM ledger WHERE account = ? AND payment = ?');
  const columns = 'id, account, kind, job_id, amount, created_at';
  const selectEntries = db.prepare(`SELECT ${columns} FROM ledger WHERE account = ? ORDER BY position`);
  const selectSums = db.prepare('SELECT month, jobs, amount, last_at FROM sums WHERE account = ? ORDER BY month');
  const selectEntriesOfJob = db.prepare(
    `SELECT ${columns} FROM ledger WHERE +account = ? AND job_id = ? ORDER BY position`,
  );

  function balanceOf(account: string): number {
    const row = selectBalance.get(account);
    if (!row) throw new AppError('not-found', `There is no account ${account}.`);
    return row.balance as number;
  }

  function write(entry: {
    account: string;
    kind: LedgerEntry['kind'];
    amount: number;
    job?: string;
    payment?: string;
  }) {
    const { account, kind, amount, job = null, payment = null } = entry;
    const time = now();
    insertEntry.run(createId('led', time), account, kind, job, payment, amount, new Date(time).toISOString());
  }

  /** Sums first: they are of older jobs than all that are still there one by one. */
  function entriesOf(account: string): LedgerEntry[] {
    const sums = selectSums.all(account) as unknown as {
      month: string;
      jobs: number;
      amount: number;
      last_at: string;
    }[];
    return [
      ...sums.map(({ month, jobs, amount, last_at }): LedgerEntry => {
        return { id: `jobs-${month}`, account, kind: 'jobs', jobs, amount, created_at: last_at };
      }),
      ...selectEntries.all(account).map(parseEntry),
    ];
  }

  const verbs: AccountVerbs = {
    async createAccount({ id, name, created_at }) {
      if (insert.run(id, name, created_at).changes === 0) {
        throw new AppError('already-exists', `There is an account ${id} already.`);
      }
    },
    async getAccount(id) {
      return (select.get(id) as Account | undefined) ?? null;
    },
    async topUp({ account, amount, payment }) {
      if (!Number.isSafeInteger(amount) || amount <= 0) {
        throw new AppError('invalid', `A top-up is a positive whole number of micro-units, not ${amount}.`);
      }
      transaction(db, () => {
        balanceOf(account);
        if (!selectPayment.get(account, payment)) write({ account, kind: 'top_up', amount, payment });
      });
    },
    async getBalance(account) {
      return balanceOf(account);
    },
    async listLedger({ account, job_id }) {
      return job_id === undefined ? entriesOf(account) : selectEntriesOfJob.all(account, job_id).map(parseEntry);
    },
  };

  return {
    verbs,
    /** Throws `not-found`. */
    balanceOf,
    entriesOf,
    /** Inside a transaction. Throws `insufficient-credit`. */
    checkCredit({ account, charge }: Job): void {
      checkCredit(balanceOf(account), charge.amount);
    },
    /** Inside a transaction: the row that belongs to a step of the job. */
    book({ id, account, charge }: Job, kind: LedgerKind): void {
      const amount = { reserve: 0 - charge.amount, capture: 0, release: charge.amount }[kind];
      write({ account, kind, amount, job: id });
    },
  };
}

function parseEntry({ job_id, ...entry }: Record<string, unknown>): LedgerEntry {
  return { ...(entry as unknown as LedgerEntry), ...(job_id !== null && { job_id: job_id as string }) };
}
