import { AppError } from '../../error.ts';
import { isTerminal, type Job } from '../../job.ts';
import { applyEvent } from '../../job-machine.ts';
import type { JobFilter, StateStore } from '../../ports.ts';
import { bookOf } from './dynamo-accounts.ts';
import type { DynamoBatches } from './dynamo-batches.ts';
import type { Funds } from './dynamo-funds.ts';
import type { IdempotentAnswers } from './dynamo-idempotency.ts';
import { type Item, indexKeyOf, jobItem, keyOf, parse } from './dynamo-items.ts';
import type { DynamoOutbox } from './dynamo-outbox.ts';
import { readPage } from './dynamo-page.ts';
import { chunksOf } from './dynamo-reads.ts';
import { countChange, countNew } from './dynamo-totals.ts';
import type { Dynamo, Write } from './dynamo-transaction.ts';

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
  now: () => number;
}

export function createDynamoJobs(dynamo: Dynamo, { funds, idempotency, outbox, batches, now }: Parts): JobVerbs {
  async function find(id: string): Promise<Item | undefined> {
    const [item] = await dynamo.visible([await dynamo.get(keyOf.job(id))]);
    return item;
  }

  /** Everything that is written beside a job that goes from `before` to `after`. */
  async function effects(before: Job, { job: after, ledger }: ReturnType<typeof applyEvent>): Promise<Write[]> {
    const hasEnded = isTerminal(after) && !isTerminal(before);
    return [
      ...(ledger === 'reserve' ? await funds.take([after], { isNew: false }) : []),
      ...(hasEnded ? funds.giveBack(after, ledger) : []),
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
        return [
          { replace: { was: null, by: jobItem(job) } },
          ...taken,
          ...(job.charge.state === 'reserved' ? [bookOf(job, 'reserve', now())] : []),
          ...countNew([job]),
          ...(await outbox.record(null, job)),
        ];
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
        entries: (range) =>
          batch_id === undefined ? dynamo.queryIndex(index, hash, range) : batches.keysOfJobs(batch_id, range),
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
        // Whoever purges has erased everything else by then; a crash after `delete` leaves the job due for it.
        if (event.type === 'purge' && before.deleted_at) await outbox.eraseFinished(job);
        const writes = [{ replace: { was: item, by: jobItem(job) } }, ...(await effects(before, transition))];
        return { result: JSON.parse(JSON.stringify(job)) as Job, writes };
      });
      if (event.type === 'delete') await outbox.eraseFinished(after);
      return after;
    },
    async listDueJobs(limit) {
      await batches.sweep();
      const jobs: Job[] = [];
      for await (const entries of chunksOf(dynamo.due('JOB', now()), limit)) {
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
