import { AppError } from '../../error.ts';
import { isTerminal, type Job } from '../../job.ts';
import { applyEvent } from '../../job-machine.ts';
import { IDEMPOTENCY_SECONDS } from '../../limits.ts';
import type { JobFilter, StateStore } from '../../ports.ts';
import { urgenciesFrom } from '../../urgency.ts';
import { bookOf } from './dynamo-accounts.ts';
import type { DynamoBatches } from './dynamo-batches.ts';
import type { Funds } from './dynamo-funds.ts';
import type { IdempotentAnswers } from './dynamo-idempotency.ts';
import { type Item, indexKeyOf, jobItem, keyOf, parse, seconds } from './dynamo-items.ts';
import type { DynamoOutbox } from './dynamo-outbox.ts';
import { readPage } from './dynamo-page.ts';
import { chunksOf } from './dynamo-reads.ts';
import { countChange, countNew } from './dynamo-totals.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';
import type { DynamoUploads } from './dynamo-uploads.ts';

type JobVerbs = Pick<StateStore, 'createJob' | 'getJob' | 'listJobs' | 'updateJob' | 'listDueJobs'>;

/** The index that fewest jobs pass first. */
const FILTERS = [
  ['idempotency_key', 'request'],
  ['upload_id', 'upload'],
  ['client_reference', 'reference'],
  ['end_user', 'user'],
  ['status', 'status'],
] as const;

interface Parts {
  funds: Funds;
  idempotency: IdempotentAnswers;
  outbox: DynamoOutbox;
  batches: DynamoBatches;
  uploads: DynamoUploads;
  now: () => number;
}

export function createDynamoJobs(
  dynamo: Dynamo,
  { funds, idempotency, outbox, batches, uploads, now }: Parts,
): JobVerbs {
  async function find(id: string): Promise<Item | undefined> {
    const [item] = await dynamo.visible([await dynamo.get(keyOf.job(id))]);
    return item;
  }

  async function* due(after?: Job) {
    let last = after && { pk: keyOf.job(after.id).pk, due_at: after.due_at ?? 0 };
    for (const urgency of urgenciesFrom(after)) {
      yield* dynamo.due(urgency, now(), last);
      last = undefined;
    }
  }

  /** A caller that lost an answer asks at once: the index, which lags behind, is asked for older ones only. */
  async function* keysOfRequest(account: string, key: string, range: { before: string; size: number }) {
    const rows = await dynamo.query(keyOf.request(account, key, '').pk, 'job_', range.before);
    const ids = rows.map(({ sk }) => sk).filter((id) => id < range.before);
    yield ids.toSorted().reverse().map(keyOf.job);
    const known = new Set(ids);
    for await (const page of dynamo.queryIndex('request', indexKeyOf.of(account, key), range)) {
      yield page.filter(({ sort }) => !known.has(sort!));
    }
  }

  /** That the job can be found by its Idempotency-Key at once. */
  function requestOf({ account, id, idempotency_key }: Job): Write[] {
    if (idempotency_key === undefined) return [];
    const expires_at_seconds = seconds(now() + IDEMPOTENCY_SECONDS * 1000);
    return [{ replace: { was: null, by: { ...keyOf.request(account, idempotency_key, id), expires_at_seconds } } }];
  }

  /** Everything that is written beside a job that goes from `before` to `after`. */
  async function effects(before: Job, { job: after, ledger }: ReturnType<typeof applyEvent>): Promise<Write[]> {
    const hasEnded = isTerminal(after) && !isTerminal(before);
    return [
      ...(ledger === 'reserve' ? (await funds.take([after], { isNew: false })).writes : []),
      ...(hasEnded ? await funds.giveBack(after, ledger) : []),
      ...(await uploads.record(before, after)),
      ...(ledger ? [bookOf(after, ledger, now())] : []),
      ...countChange(before, after, ledger),
      ...(await outbox.record(before, after)),
      ...(hasEnded ? await batches.record(after) : []),
    ];
  }

  return {
    async createJob(job, request) {
      return idempotency.once(job.account, request, async () => {
        const [taken, isThere] = await Promise.all([funds.take([job], { isNew: true }), dynamo.get(keyOf.job(job.id))]);
        if (isThere) throw new AppError('conflict', `There is a job ${job.id} already.`);
        const writes = [
          { replace: { was: null, by: jobItem(job) } },
          ...taken.writes,
          ...(job.charge.state === 'reserved' ? [bookOf(job, 'reserve', now())] : []),
          ...countNew([job]),
          ...requestOf(job),
          ...(await outbox.record(null, job)),
        ];
        return { writes, levels: taken.levels };
      });
    },
    async getJob(id) {
      const item = await find(id);
      return item ? parse<Job>(item) : null;
    },
    async listJobs({ account, test, batch_id, cursor, limit, ...filter }) {
      const given = FILTERS.filter(([name]) => filter[name] !== undefined);
      const [name, index] = given[0] ?? [undefined, 'list' as const];
      const hash = name ? indexKeyOf.of(account, filter[name]!) : indexKeyOf.jobs(account);
      const { page, ...next } = await readPage<Job>(dynamo, {
        entries: (range) => {
          if (batch_id !== undefined) return batches.keysOfJobs(batch_id, range);
          if (name === 'idempotency_key') return keysOfRequest(account, filter.idempotency_key!, range);
          return dynamo.queryIndex(index, hash, range);
        },
        prefix: 'job',
        cursor,
        limit,
        filter: (job) =>
          job.account === account &&
          !job.deleted_at &&
          isOfMode(job, test) &&
          given.every(([field]) => job[field] === filter[field]),
      });
      return { jobs: page, ...next };
    },
    async updateJob(id, event) {
      const after = await dynamo.transact(async () => {
        const item = await find(id);
        if (!item) throw new AppError('not-found', `There is no job ${id}.`);
        const before = parse<Job>(item);
        const transition = applyEvent(before, event, now());
        const { job } = transition;
        if (job === before) return { result: job, writes: [] };
        // The caller of a purge has erased everything else by then; a crash after `delete` leaves the job due for it.
        if (event.type === 'purge' && before.deleted_at) await outbox.eraseFinished(job);
        const writes = [
          { replace: { was: item, by: jobItem(job) } },
          ...(await effects(before, transition)),
          ...(event.type === 'delete' ? await idempotency.forget(before) : []),
        ];
        return { result: JSON.parse(JSON.stringify(job)) as Job, writes };
      });
      if (event.type === 'delete') await outbox.eraseFinished(after);
      return after;
    },
    async listDueJobs(limit, after) {
      if (!after) await batches.sweep();
      const jobs: Job[] = [];
      for await (const entries of chunksOf(due(after), limit)) {
        const items = await dynamo.visible(await dynamo.getMany(entries));
        jobs.push(
          ...items.map((item) => parse<Job>(item)).filter(({ due_at }) => due_at !== undefined && due_at <= now()),
        );
        if (jobs.length >= limit) break;
      }
      return jobs.slice(0, limit);
    },
  };
}

function isOfMode(job: Job, test: JobFilter['test']): boolean {
  return test === undefined || test === Boolean(job.test);
}
