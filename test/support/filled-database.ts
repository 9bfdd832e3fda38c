import type { DatabaseSync } from 'node:sqlite';
import { createLocalKey, LOCAL_ACCOUNT } from '../../local/account.ts';
import { openStores } from '../../local/stores.ts';
import { createSqliteStateStore } from '../../shared/adapters/local/sqlite-state-store.ts';
import { AppError } from '../../shared/error.ts';
import { createId } from '../../shared/id.ts';
import { DEFAULT_RETENTION_HOURS, UPLOAD_RETENTION_SECONDS } from '../../shared/limits.ts';
import type { StateStore } from '../../shared/ports.ts';
import { SAMPLE_OUTPUT, SAMPLE_RUN, sampleJob } from './sample-job.ts';

/** Over which the jobs are spread: the longest that anything but jobs and money is kept. */
const DAYS = 30;
const DAY_MILLISECONDS = 86_400_000;
const RETENTION_MILLISECONDS = DEFAULT_RETENTION_HOURS * 3_600_000;
const OTHER_ACCOUNTS = 500;
const JOBS_A_TRANSACTION = 5_000;
const TABLES = ['uploads', 'jobs', 'ledger', 'idempotency', 'deliveries'] as const;

/** The rows that one job has left in each table. */
interface Template {
  jobId: string;
  uploadId: string;
  rows: { table: (typeof TABLES)[number]; row: Record<string, string | number | null> }[];
}

export interface FilledDatabase {
  key: string;
  metricsKey: string;
  /** Jobs of the key's account with a result, from all ages, not deleted. */
  jobIds: string[];
}

/**
 * A data directory as after a month of service with so many jobs, half of them of one account. A few are made by the
 * verbs of the store; the others are copies of their rows with ids, times and accounts of their own, so that triggers
 * and indexes do the same as for real ones. Uploads and kept answers are there for a day, results for a week.
 */
export async function fillDatabase(directory: string, count: number): Promise<FilledDatabase> {
  const { database: db, state } = openStores(directory);
  try {
    // Only while it is filled: each connection afterwards is as strict as ever.
    db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -500000');
    const first = Date.now() - DAYS * DAY_MILLISECONDS;
    const { secret: key } = await createLocalKey(state, { name: 'growth' });
    const { secret: metricsKey } = await createLocalKey(state, { name: 'metrics', scopes: ['metrics:read'] });
    await state.topUp({ account: LOCAL_ACCOUNT, amount: 1e12, payment: 'fill' });
    const others = Array.from({ length: OTHER_ACCOUNTS }, (_, i) => `acc_filled${String(i).padStart(4, '0')}`);
    for (const id of others) {
      await state.createAccount({ id, name: id, created_at: new Date(first).toISOString() });
      await state.topUp({ account: id, amount: 1e12, payment: 'fill' });
    }
    const templates = await makeTemplates(db, first);
    const jobIds = copy(db, { templates, first, count, others });
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return { key, metricsKey, jobIds };
  } finally {
    db.close();
  }
}

/** Two with a result, and one each that was kept too long, failed, was canceled, and was deleted. */
async function makeTemplates(db: DatabaseSync, time: number) {
  const state = createSqliteStateStore(db, { now: () => time });
  await state.createEndpoint({
    id: createId('whe', time),
    account: LOCAL_ACCOUNT,
    url: 'https://example.com/hook',
    events: ['job.succeeded', 'job.failed', 'job.canceled'],
    secrets: [{ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }],
    created_at: new Date(time).toISOString(),
  } as Parameters<StateStore['createEndpoint']>[0]);
  const succeed = (id: string) =>
    state.updateJob(id, {
      type: 'succeed',
      attempt: 1,
      output: SAMPLE_OUTPUT,
      run: SAMPLE_RUN,
      notes: ['The photo was turned upright.'],
    });
  const make = (end: (id: string) => Promise<unknown>) => makeTemplate(db, { state, time, end });
  return {
    fresh: [
      await make(succeed),
      await make((id) => state.updateJob(id, { type: 'fail', error: new AppError('image-unreadable', 'It is none.') })),
    ],
    old: [
      await make(async (id) => {
        await succeed(id);
        await state.updateJob(id, { type: 'purge' });
      }),
      await make((id) => state.updateJob(id, { type: 'cancel' })),
      await make(async (id) => {
        await succeed(id);
        await state.updateJob(id, { type: 'delete' });
        await state.updateJob(id, { type: 'purge' });
      }),
    ],
  };
}

async function makeTemplate(
  db: DatabaseSync,
  { state, time, end }: { state: StateStore; time: number; end: (id: string) => Promise<unknown> },
): Promise<Template> {
  const job = sampleJob(time, {
    account: LOCAL_ACCOUNT,
    price: 1000,
    retention_hours: DEFAULT_RETENTION_HOURS,
    client_reference: 'order-4711',
    idempotency_key: createId('idem', time),
    input_key: `in/${LOCAL_ACCOUNT}/upload`,
  });
  await state.createUpload({
    id: job.upload_id,
    account: job.account,
    key: job.input_key,
    content_type: 'image/png',
    bytes: 1234,
    created_at: job.created_at,
    expires_at: job.created_at,
  });
  const response = { status: 202, headers: { Location: `/v1/jobs/${job.id}` }, body: JSON.stringify(job) };
  const key = createId('idem', time);
  await state.createJob(job, { key, fingerprint: 'f'.repeat(64), response });
  await state.updateJob(job.id, { type: 'sent' });
  await state.updateJob(job.id, { type: 'claim' });
  await state.updateJob(job.id, { type: 'progress', attempt: 1, progress: { stage: 'upscale', percent: 40 } });
  await end(job.id).catch(async (error: unknown) => {
    // One that runs only ends when its worker takes notice.
    if (!(error instanceof AppError)) throw error;
    await state.updateJob(job.id, { type: 'fail', attempt: 1, error });
  });
  for (let delivery = await state.claimDelivery(); delivery; delivery = await state.claimDelivery()) {
    await state.recordAttempt(delivery, { outcome: 'done', status: 204, milliseconds: 12 });
  }
  const where: Record<(typeof TABLES)[number], [string, string]> = {
    uploads: ['id = ?', job.upload_id],
    jobs: ['id = ?', job.id],
    ledger: ['job_id = ?', job.id],
    idempotency: ['key = ?', key],
    deliveries: ['job_id = ?', job.id],
  };
  const rows = TABLES.flatMap((table) =>
    db
      .prepare(`SELECT * FROM ${table} WHERE ${where[table][0]} ORDER BY rowid`)
      .all(where[table][1])
      .map((row) => ({ table, row: plain(db, table, row) })),
  );
  return { jobId: job.id, uploadId: job.upload_id, rows };
}

/** Without the columns that SQLite reads out of the JSON, and without the position, which is given anew. */
function plain(db: DatabaseSync, table: string, row: Record<string, unknown>) {
  const columns = db
    .prepare(`SELECT name FROM pragma_table_info(?)`)
    .all(table)
    .map(({ name }) => String(name));
  return Object.fromEntries(
    columns.filter((name) => name !== 'position').map((name) => [name, row[name] as string | number | null]),
  );
}

function copy(
  db: DatabaseSync,
  {
    templates,
    first,
    count,
    others,
  }: { templates: Awaited<ReturnType<typeof makeTemplates>>; first: number; count: number; others: string[] },
): string[] {
  const insertOf = new Map(
    [...templates.fresh, ...templates.old]
      .flatMap(({ rows }) => rows.map(({ table, row }) => [table, Object.keys(row)] as const))
      .map(
        ([table, columns]) =>
          [table, db.prepare(`INSERT INTO ${table} (${columns}) VALUES (${columns.map(() => '?')})`)] as const,
      ),
  );
  const step = (DAYS * DAY_MILLISECONDS) / (count + 1);
  const end = first + DAYS * DAY_MILLISECONDS;
  const jobIds: string[] = [];
  const every = Math.max(1, Math.floor(count / 4_000));
  for (let i = 0; i < count; i++) {
    if (i % JOBS_A_TRANSACTION === 0) db.exec('BEGIN');
    const time = Math.floor(first + (i + 1) * step);
    const isFresh = end - time < RETENTION_MILLISECONDS - DAY_MILLISECONDS;
    const kind = isFresh ? templates.fresh : templates.old;
    const template = kind[i % 10 < 8 ? 0 : 1 + (i % 10 === 9 ? kind.length - 2 : 0)]!;
    const account = i % 2 === 0 ? LOCAL_ACCOUNT : others[i % others.length]!;
    const jobId = createId('job', time);
    const rename = renamer({ template, first, time, account, jobId });
    for (const { table, row } of template.rows) {
      const isKept = end - time < UPLOAD_RETENTION_SECONDS * 1000;
      if (!isKept && (table === 'uploads' || table === 'idempotency')) continue;
      insertOf.get(table)!.run(...Object.entries(row).map(([column, value]) => rename(column, value)));
    }
    if (account === LOCAL_ACCOUNT && template === kind[0] && i % every < 2) jobIds.push(jobId);
    if (i % JOBS_A_TRANSACTION === JOBS_A_TRANSACTION - 1 || i === count - 1) db.exec('COMMIT');
  }
  return jobIds;
}

function renamer(to: { template: Template; first: number; time: number; account: string; jobId: string }) {
  const { template, first, time, account, jobId } = to;
  const keptUntil = first + RETENTION_MILLISECONDS;
  const own = createId('msg', time);
  const pairs: [string, string][] = [
    [template.jobId, jobId],
    [template.uploadId, createId('upl', time)],
    [LOCAL_ACCOUNT, account],
    [new Date(first).toISOString(), new Date(time).toISOString()],
    [new Date(keptUntil).toISOString(), new Date(time + RETENTION_MILLISECONDS).toISOString()],
    [`"due_at":${keptUntil}`, `"due_at":${time + RETENTION_MILLISECONDS}`],
    ['order-4711', `order-${time % 9973}`],
  ];
  return (column: string, value: string | number | null) => {
    if (column === 'expires_at') return time + DAY_MILLISECONDS;
    if (typeof value !== 'string') return value;
    if (column === 'key') return createId('idem', time);
    let text = value;
    for (const [from, into] of pairs) text = text.replaceAll(from, into);
    // Of ledger and deliveries, whose own ids stand in no other row.
    if (column === 'id' && /^(led|msg)_/.test(text)) return text.startsWith('led') ? createId('led', time) : own;
    return column === 'data' ? text.replace(/"id":"msg_\w+"/, `"id":"${own}"`) : text;
  };
}
