import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { AppError } from '../../error.ts';
import type { Job } from '../../job.ts';
import { applyEvent } from '../../job-machine.ts';
import type { JobFilter, StateStore } from '../../ports.ts';
import { policiesOf } from '../../rate-limits.ts';
import type { Level } from '../../token-bucket.ts';
import { urgenciesFrom } from '../../urgency.ts';
import { checkUndamaged } from './damage.ts';
import { transaction } from './database.ts';
import type { Accounts } from './sqlite-accounts.ts';
import type { SqliteBatches } from './sqlite-batches.ts';
import type { Caps } from './sqlite-caps.ts';
import type { IdempotentAnswers } from './sqlite-idempotency.ts';
import type { SqliteOutbox } from './sqlite-outbox.ts';
import type { Quotas } from './sqlite-quotas.ts';
import type { SqliteTotals } from './sqlite-totals.ts';
import type { SqliteUploads } from './sqlite-uploads.ts';

type JobVerbs = Pick<
  StateStore,
  'createJob' | 'createBatch' | 'getBatch' | 'findIdempotent' | 'getJob' | 'listJobs' | 'updateJob' | 'listDueJobs'
>;

/** The one that fewest jobs pass first. */
const FILTERS = ['idempotency_key', 'batch_id', 'upload_id', 'client_reference', 'end_user', 'status'] as const;

interface Parts {
  accounts: Accounts;
  caps: Caps;
  quotas: Quotas;
  idempotency: IdempotentAnswers;
  outbox: SqliteOutbox;
  batches: SqliteBatches;
  uploads: SqliteUploads;
  totals: SqliteTotals;
  now: () => number;
}

export function createSqliteJobs(db: DatabaseSync, parts: Parts): JobVerbs {
  const { accounts, caps, quotas, idempotency, outbox, batches, uploads, totals, now } = parts;
  const insert = db.prepare('INSERT INTO jobs (id, data) VALUES (?, ?)');
  const select = db.prepare('SELECT data FROM jobs WHERE id = ?');
  const update = db.prepare('UPDATE jobs SET data = ? WHERE id = ?');
  const selectDue = db.prepare(
    'SELECT data FROM jobs WHERE urgency = ? AND due_at <= ? AND (due_at, id) > (?, ?) ORDER BY due_at, id LIMIT ?',
  );
  const selectPage = createPageSelector(db);

  /** Inside a transaction. Throws `insufficient-credit`, `spend-cap-reached` and `price-exceeded`. */
  function checkPayable(job: Job): void {
    caps.checkPrice(job);
    accounts.checkCredit(job);
  }

  /** Inside a transaction. All are of one owner. Throws `quota-exceeded`. */
  function count(jobs: readonly Job[]): Level[] {
    const policies = Map.groupBy(jobs.flatMap(policiesOf), (policy) => policy);
    return [...policies].flatMap(([policy, of]) => quotas.take(jobs[0]!, policy, of.length));
  }

  /** Inside a transaction. */
  function store(job: Job): void {
    caps.checkNewJob(job);
    checkPayable(job);
    insert.run(job.id, JSON.stringify(job));
    totals.record(null, job);
    if (job.charge.state === 'reserved') accounts.book(job, 'reserve');
    outbox.record(null, job);
  }

  return {
    async createJob(job, request) {
      checkUndamaged(db);
      return idempotency.once(job.account, request, () => {
        const levels = count([job]);
        store(job);
        return levels;
      });
    },
    async createBatch(batch, batchJobs, request) {
      checkUndamaged(db);
      return idempotency.once(batch.account, request, () => {
        const levels = count(batchJobs);
        batches.insert(batch);
        for (const job of batchJobs) store(job);
        return levels;
      });
    },
    async getBatch(id) {
      return batches.find(id);
    },
    async findIdempotent(account, request) {
      return idempotency.find(account, request);
    },
    async getJob(id) {
      const row = select.get(id);
      return row ? parseJob(row) : null;
    },
    async listJobs({ limit, ...filter }) {
      // One more than asked for tells whether there is a next page.
      const found = selectPage(filter, limit + 1).map(parseJob);
      const jobs = found.slice(0, limit);
      const last = jobs.at(-1);
      return found.length > limit && last ? { jobs, next_cursor: cursorAfter(last) } : { jobs };
    },
    async updateJob(id, event) {
      return transaction(db, () => {
        const row = select.get(id);
        if (!row) throw new AppError('not-found', `There is no job ${id}.`);
        const before = parseJob(row);
        const { job, ledger } = applyEvent(before, event, now());
        if (ledger === 'reserve') checkPayable(job);
        if (job !== before) update.run(JSON.stringify(job), id);
        if (ledger) accounts.book(job, ledger);
        if (event.type === 'delete') idempotency.forget(before);
        if (job !== before) {
          outbox.record(before, job);
          batches.record(before, job);
          uploads.record(before, job);
          totals.record(before, job);
        }
        return job;
      });
    },
    async listDueJobs(limit, after) {
      const due: Job[] = [];
      let { due_at = 0, id } = after ?? { id: '' };
      for (const urgency of urgenciesFrom(after)) {
        due.push(...selectDue.all(urgency, now(), due_at, id, limit - due.length).map(parseJob));
        [due_at, id] = [0, ''];
      }
      return due;
    },
  };
}

/** Newest first is by id, which sorts by time of creation (shared/id.ts). */
function createPageSelector(db: DatabaseSync) {
  const statements = new Map<string, StatementSync>();
  return ({ account, cursor, test, ...filter }: Omit<JobFilter, 'limit'>, limit: number) => {
    const given = FILTERS.filter((name) => filter[name] !== undefined);
    // The + keeps SQLite from choosing the index of a filter that more jobs pass.
    const filters = given.map((name, i) => `${i === 0 ? '' : '+'}${name} = ?`);
    const conditions = ['account = ?', 'deleted_at IS NULL', ...filters];
    const values = [account, ...given.map((name) => filter[name]!)];
    // Of the filters only `status` has an index that knows the mode; the others let few jobs pass.
    const isIndexed = given[0] === undefined || given[0] === 'status';
    if (test !== undefined) conditions.push(`${isIndexed ? '' : '+'}test = ${test ? 1 : 0}`);
    if (cursor !== undefined) {
      conditions.push('id < ?');
      values.push(idBefore(cursor));
    }
    const sql = `SELECT data FROM jobs WHERE ${conditions.join(' AND ')} ORDER BY id DESC LIMIT ?`;
    const statement = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, statement);
    return statement.all(...values, limit);
  };
}

function cursorAfter({ id }: Job): string {
  return Buffer.from(id).toString('base64url');
}

function idBefore(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString();
  if (/^job_[0-9a-z]{26}$/.test(id)) return id;
  throw new AppError('malformed', `cursor "${cursor}" is not a next_cursor of this list.`);
}

function parseJob(row: Record<string, unknown>): Job {
  return JSON.parse(row.data as string);
}
