import { reap, type SweepReport } from '../functions/reap/reap.ts';
import { notACommand, runCommand, usageError } from '../shared/adapters/node/command.ts';
import type { Values } from '../shared/adapters/node/command-line.ts';
import { createStandardLog } from '../shared/adapters/node/standard-log.ts';
import { eraseJobs } from '../shared/erase-owner.ts';
import { AppError } from '../shared/error.ts';
import { type Job, jobStatusSchema } from '../shared/job.ts';
import { LOCAL_ACCOUNT } from './account.ts';
import { readConfig } from './config.ts';
import { openClock } from './data-clock.ts';
import { describeErasure, eraseAll } from './erase.ts';
import { openOperatorState } from './operator-state.ts';
import { eraseOrphans } from './orphans.ts';
import { openStores } from './stores.ts';

const OPTIONS = {
  account: { value: 'ACCOUNT', about: 'owner of the jobs', default: LOCAL_ACCOUNT },
  status: { value: 'STATUS', about: jobStatusSchema.options.join(', ') },
  cursor: { value: 'CURSOR', about: 'goes on where a list ended' },
  'end-user': { value: 'END_USER', about: 'a person who uses the account through client tokens' },
  json: { about: 'print JSON, for scripts' },
} as const;

const PAGE = 100;

async function jobs(values: Values<typeof OPTIONS>, words: string[]): Promise<void> {
  const show = (value: unknown, text: string) => print(values.json ? JSON.stringify(value) : text);
  const { state, close } = openOperatorState(process.env);
  try {
    const [command, id, ...rest] = words;
    if (command === 'list' && id === undefined) {
      const { account, cursor } = values;
      const status = values.status === undefined ? undefined : parseStatus(values.status);
      const page = await state.listJobs({ account, status, cursor, limit: PAGE });
      const more = page.next_cursor ? [`There are more: --cursor ${page.next_cursor}`] : [];
      show(
        { ...page, jobs: page.jobs.map(shown) },
        [...page.jobs.map(describe), ...more].join('\n') || 'No such jobs.',
      );
    } else if (command === 'show' && id !== undefined && rest.length === 0) {
      const job = await state.getJob(id);
      if (!job) throw new AppError('not-found', `There is no job ${id}.`);
      const ledger = await state.listLedger({ account: job.account, job_id: id });
      show({ ...shown(job), ledger }, JSON.stringify({ ...shown(job), ledger }, undefined, 2));
    } else if (command === 'cancel' && id !== undefined && rest.length === 0) {
      const job = await state.updateJob(id, { type: 'cancel' });
      show(shown(job), `${id} ${job.status === 'canceled' ? 'is canceled' : 'will stop'}; ${chargeOf(job)}.`);
    } else if (command === 'erase' && id === undefined && values['end-user']) {
      const owner = { account: values.account, end_user: values['end-user'] };
      const erased = await eraseAll(() => eraseJobs(state, owner));
      show({ ...owner, ...erased }, describeErasure(erased));
      if (erased.running > 0) process.exitCode = 1;
    } else if (command === 'sweep' && id === undefined) {
      const report = await sweep();
      show(report, describeSweep(report));
      if (report.errors > 0) process.exitCode = 1;
    } else {
      throw notACommand('jobs', words);
    }
  } finally {
    close();
  }
}

/** Without the fields that open the doors of others. */
function shown({ fetch_url: _source, deliver: _target, ...job }: Job): Partial<Job> {
  return job;
}

function describe(job: Job): string {
  const { id, status, created_at, parameters, charge, error } = job;
  const size = job.input ? `${job.input.width}×${job.input.height}` : '-';
  const end = error ? `  ${error.code}: ${error.detail}` : '';
  return `${id}  ${created_at}  ${status}  ${parameters.model}  ${size}  ${charge.state} ${charge.amount}${end}`;
}

function chargeOf({ charge: { state, amount } }: Job): string {
  if (state === 'released' && amount > 0) return `${amount} micro-units were reserved and are given back`;
  if (state === 'reserved') return `${amount} micro-units are reserved and given back when it has stopped`;
  return 'nothing was reserved for it';
}

/** Until nothing is left that is due. */
async function sweep(): Promise<SweepReport & { orphans: number }> {
  if (process.env.TABLE) throw new AppError('invalid', 'On AWS the function Reap sweeps, every minute.');
  const { dataDirectory, limits, prices, logLevel } = readConfig(process.env);
  const log = createStandardLog(logLevel, process.stderr);
  const { now, isSettled: mayErase } = openClock(dataDirectory, log);
  const stores = openStores(dataDirectory, { isGuest: true, now });
  const deps = { ...stores, limits, prices, log, now, mayErase };
  try {
    const { errors, ...total } = await reap(deps);
    for (let isDone = false; !isDone; ) {
      isDone = true;
      const next = await reap(deps);
      for (const kind of Object.keys(total) as (keyof typeof total)[]) {
        total[kind] += next[kind];
        if (next[kind] > 0) isDone = false;
      }
    }
    return { ...total, errors, orphans: await eraseOrphans(stores) };
  } finally {
    stores.database.close();
  }
}

function describeSweep({ errors, ...done }: SweepReport & { orphans: number }): string {
  const words: Record<keyof typeof done, string> = {
    admitted: 'uploads had arrived unnoticed; their jobs are queued',
    expired: 'jobs expired: their upload never came',
    ended: 'jobs ended: their deadline is over',
    sent: 'jobs were queued again',
    failed: 'jobs failed: every worker that took them was lost',
    results: 'results were erased: their time is over',
    deleted: 'deleted jobs were erased',
    uploads: 'uploads were erased: no job needs them',
    orphans: 'files were erased that belonged to nothing',
  };
  const lines = (Object.keys(words) as (keyof typeof done)[]).filter((kind) => done[kind] > 0);
  const text = lines.map((kind) => `${done[kind]} ${words[kind]}.`);
  if (errors > 0) text.push(`${errors} failed, see above.`);
  return text.join('\n') || 'Nothing was due.';
}

function parseStatus(text: string) {
  const status = jobStatusSchema.safeParse(text);
  if (status.success) return status.data;
  throw usageError(`--status "${text}" is none of ${jobStatusSchema.options.join(', ')}.`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

runCommand({
  name: 'jobs',
  usage: [
    'list [--account ACCOUNT] [--status STATUS] [--cursor CURSOR]',
    'show JOB_ID',
    'cancel JOB_ID',
    'erase --end-user END_USER [--account ACCOUNT]',
    'sweep',
  ],
  about: `
Works on DATA_DIR (default ./data), whether the service runs or not, or on the table on AWS that TABLE names.
cancel: a running job stops within a moment. Nothing is charged.
erase: jobs and results of one person, in live and test mode; running jobs are canceled. There is no way back.
sweep: the work of the running service every ten seconds (uploads that never came, results whose time is over, jobs of
    lost workers), and files that belong to nothing.`,
  options: OPTIONS,
  takesWords: true,
  run: jobs,
});
