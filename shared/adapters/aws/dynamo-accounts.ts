import { AppError } from '../../error.ts';
import { createId } from '../../id.ts';
import type { Job } from '../../job.ts';
import type { LedgerKind } from '../../job-machine.ts';
import type { LedgerEntry } from '../../ledger.ts';
import { chargedJob, type Statement } from '../../ledger.ts';
import type { Account, StateStore } from '../../ports.ts';
import { indexKeyOf, type Key, keyOf, parse } from './dynamo-items.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

type AccountVerbs = Pick<
  StateStore,
  'createAccount' | 'getAccount' | 'topUp' | 'getBalance' | 'listLedger' | 'listAccounts' | 'getStatement'
>;

/** A statement is read so often before it is given up. */
const MAX_STATEMENT_READS = 10;

/** Accounts and their money. */
export function createDynamoAccounts(dynamo: Dynamo, now: () => number): AccountVerbs {
  async function balanceOf(account: string): Promise<number> {
    const item = await dynamo.get(keyOf.account(account));
    if (!item) throw new AppError('not-found', `There is no account ${account}.`);
    return item.balance as number;
  }

  async function entriesOf(account: string): Promise<LedgerEntry[]> {
    const items = await dynamo.query(keyOf.account(account).pk, 'LED#', 'LED#~');
    return oldestFirst(items.flatMap((item) => parse<LedgerEntry[]>(item)));
  }

  async function entriesOfJob(account: string, job: string): Promise<LedgerEntry[]> {
    const [reservation, settlement, jobItem] = await dynamo.getMany([
      keyOf.reservation(account, job),
      keyOf.settlement(account, job),
      keyOf.job(job),
    ]);
    const batch = jobItem && parse<Job>(jobItem).batch_id;
    const ofBatch = batch && (await dynamo.get(keyOf.batchReservation(account, batch)));
    const items = [ofBatch, reservation, settlement].filter((item) => item !== undefined && item !== '');
    const entries = items.flatMap((item) => parse<LedgerEntry[]>(item));
    return oldestFirst(entries.filter(({ job_id }) => job_id === job));
  }

  /** Jobs of the account in the index, and those that its ledger names: the index may lag behind. */
  async function chargesOf(account: string, entries: readonly LedgerEntry[]): Promise<Statement['jobs']> {
    const keys = new Map(entries.flatMap(({ job_id }) => (job_id ? [[job_id, keyOf.job(job_id)]] : [])));
    for (const hash of [indexKeyOf.jobs(account), indexKeyOf.deletedJobs(account)]) {
      for await (const page of dynamo.queryIndex('list', hash)) {
        for (const { pk, sk, sort } of page) keys.set(sort!, { pk, sk });
      }
    }
    const items = await dynamo.visible(await dynamo.getMany([...keys.values()]));
    const jobs = items.map((item) => parse<Job>(item));
    return jobs.map(chargedJob).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  return {
    async createAccount(account) {
      const key = keyOf.account(account.id);
      const { id, name, created_at } = account;
      const by = {
        ...key,
        data: JSON.stringify({ id, name, created_at }),
        balance: 0,
        list_of: indexKeyOf.accounts(),
        sort: `${created_at}#${id}`,
      };
      await dynamo.transact(async () => {
        if (await dynamo.get(key)) throw new AppError('already-exists', `There is an account ${id} already.`);
        return { result: undefined, writes: [{ replace: { was: null, by } }] };
      });
    },
    async getAccount(id) {
      const item = await dynamo.get(keyOf.account(id));
      return item ? parse<Account>(item) : null;
    },
    async topUp({ account, amount, payment }) {
      if (!Number.isSafeInteger(amount) || amount <= 0) {
        throw new AppError('invalid', `A top-up is a positive whole number of micro-units, not ${amount}.`);
      }
      const key = keyOf.payment(account, payment);
      await dynamo.transact(async () => {
        await balanceOf(account);
        if (await dynamo.get(key)) return { result: undefined, writes: [] };
        const entry = newEntry({ account, kind: 'top_up', amount }, now());
        const writes: Write[] = [
          { replace: { was: null, by: ledgerItem(key, [entry]) } },
          { add: keyOf.account(account), amounts: { balance: amount }, only: { exists: true } },
        ];
        return { result: undefined, writes };
      });
    },
    getBalance: balanceOf,
    async listLedger({ account, job_id }) {
      return job_id === undefined ? entriesOf(account) : entriesOfJob(account, job_id);
    },
    async listAccounts() {
      const accounts: Account[] = [];
      for await (const page of dynamo.queryIndex('list', indexKeyOf.accounts())) {
        for (const item of await dynamo.getMany(page)) if (item) accounts.push(parse<Account>(item));
      }
      return accounts;
    },
    async getStatement(account) {
      let entries = await entriesOf(account);
      for (let reads = 0; reads < MAX_STATEMENT_READS; reads++) {
        const [balance, jobs] = await Promise.all([balanceOf(account), chargesOf(account, entries)]);
        // Money moves with a new row only, and jobs leave for a sum: where there is neither, all of it is of one moment.
        const again = await entriesOf(account);
        if (stateOf(again) === stateOf(entries)) return { balance, entries, jobs };
        entries = again;
      }
      throw new AppError('unavailable', `Account ${account} is too busy for a statement; try again later.`);
    },
  };
}

function stateOf(entries: readonly LedgerEntry[]): string {
  return entries.map(({ id, jobs = 0 }) => `${id} ${jobs}`).join();
}

/** The row that belongs to a step of the job. */
export function bookOf(job: Job, kind: LedgerKind, now: number): Write {
  const { account, id } = job;
  const key = kind === 'reserve' ? keyOf.reservation(account, id) : keyOf.settlement(account, id);
  return { replace: { was: null, by: ledgerItem(key, [entryOf(job, kind, now)]) } };
}

/** The rows of the jobs of a batch that are reserved with it, as one item. */
export function bookOfBatch(account: string, batch: string, jobs: readonly Job[], now: number): Write {
  const entries = jobs.map((job) => entryOf(job, 'reserve', now));
  return { replace: { was: null, by: ledgerItem(keyOf.batchReservation(account, batch), entries) } };
}

function entryOf({ id, account, charge }: Job, kind: LedgerKind, now: number): LedgerEntry {
  const amount = { reserve: 0 - charge.amount, capture: 0, release: charge.amount }[kind];
  return newEntry({ account, kind, job_id: id, amount }, now);
}

function newEntry(given: Omit<LedgerEntry, 'id' | 'created_at'>, now: number): LedgerEntry {
  return { id: createId('led', now), ...given, created_at: new Date(now).toISOString() };
}

function ledgerItem(key: Key, entries: LedgerEntry[]) {
  return { ...key, data: JSON.stringify(entries) };
}

/** A clock that was set back must not put the end of a job before its beginning. Of the same time they are in order. */
function oldestFirst(entries: readonly LedgerEntry[]): LedgerEntry[] {
  const reserved = new Map(
    entries.filter(({ kind }) => kind === 'reserve').map(({ job_id, created_at }) => [job_id, created_at]),
  );
  const timeOf = ({ job_id, created_at }: LedgerEntry) => {
    const before = reserved.get(job_id) ?? '';
    return before > created_at ? before : created_at;
  };
  return entries.toSorted((a, b) => {
    const [first, second] = [timeOf(a), timeOf(b)];
    return first === second ? 0 : first < second ? -1 : 1;
  });
}
