import type { Job } from './job.ts';
import { isTerminal } from './job.ts';
import type { LedgerKind } from './job-machine.ts';
import { listedPrice, type PriceList, priceAt } from './pricing.ts';

/**
 * Append-only. Balance = sum of the amounts; `reserve` is negative, `capture` 0, `release` and `top_up` positive. `jobs`: the sum
 * of jobs that are no longer kept one by one (`clearOld`), never positive.
 */
export interface LedgerEntry {
  id: string;
  account: string;
  kind: LedgerKind | 'top_up' | 'jobs';
  /** Absent on a top-up and a sum. */
  job_id?: string;
  /** In a sum. */
  jobs?: number;
  /** Micro-units. */
  amount: number;
  created_at: string;
}

/** The part of a job that its price and its entries depend on. */
type ChargedJob = Pick<Job, 'id' | 'status' | 'charge' | 'test' | 'task' | 'input' | 'parameters' | 'rate'>;

/** An account at one moment: its balance, and why. */
export interface Statement {
  balance: number;
  /** Oldest first. */
  entries: LedgerEntry[];
  jobs: ChargedJob[];
}

/** As it belongs into a statement. */
export function chargedJob({ id, status, charge, test, task, input, parameters, rate }: Job): ChargedJob {
  return {
    id,
    status,
    charge,
    ...(test && { test }),
    ...(task && { task }),
    ...(input && { input }),
    parameters,
    ...(rate && { rate }),
  };
}

/**
 * Everything that is wrong with an account, one sentence each: nothing ever should be. `prices`: the list by which jobs
 * were priced that are older than rates in jobs; without it their prices are not computed again.
 */
export function findLedgerProblems({ balance, entries, jobs }: Statement, prices?: PriceList): string[] {
  const problems: string[] = [];
  const sum = entries.reduce((total, { amount }) => total + amount, 0);
  if (sum !== balance) problems.push(`The balance is ${balance}, the ledger adds up to ${sum}.`);
  const ofJobs = Map.groupBy(
    entries.filter(({ job_id }) => job_id !== undefined),
    ({ job_id }) => job_id,
  );
  for (const job of jobs) {
    const charge = `${job.charge.state} ${job.charge.amount}`;
    const booked = textOf(ofJobs.get(job.id) ?? []);
    if (!expectedEntries(job).includes(booked)) {
      problems.push(`Job ${job.id} is ${job.status}, ${charge}; its entries are: ${booked || 'none'}.`);
    }
    const price = expectedPrice(job, prices);
    if (price !== undefined && price !== job.charge.amount) {
      problems.push(`Job ${job.id} is ${job.status}, ${charge}; its price is ${price}.`);
    }
    ofJobs.delete(job.id);
  }
  for (const id of ofJobs.keys()) problems.push(`There are entries of job ${id}, which the account does not have.`);
  return problems;
}

/** Whether the ledger is right about an ended job: only then may the two become a part of a sum. */
export function isSettled(job: Job, entries: readonly Pick<LedgerEntry, 'kind' | 'amount'>[]): boolean {
  return isTerminal(job) && expectedEntries(job).includes(textOf(entries));
}

function textOf(entries: readonly Pick<LedgerEntry, 'kind' | 'amount'>[]): string {
  return entries.map(({ kind, amount }) => `${kind} ${amount}`).join(', ');
}

/**
 * Undefined: it has no price yet, never had one, or cannot be computed again. Jobs older than rates paid by the result.
 */
function expectedPrice(job: ChargedJob, prices: PriceList | undefined): number | undefined {
  const { test, task, input, parameters, rate = prices && listedPrice(parameters, prices) } = job;
  if (!input) return undefined;
  if (test || task || parameters.preview) return 0;
  return rate && priceAt(input, parameters, rate);
}

/** All that the ledger may say of a job; nothing where its state and its charge exclude one another. */
function expectedEntries({ status, charge: { state, amount } }: ChargedJob): string[] {
  const reserve = `reserve ${-amount || 0}`;
  const isOver = isTerminal({ status });
  if (state === 'pending') return status === 'awaiting_upload' && amount === 0 ? [''] : [];
  if (state === 'reserved') return isOver || status === 'awaiting_upload' ? [] : [reserve];
  if (state === 'captured') return status === 'succeeded' ? [`${reserve}, capture 0`] : [];
  if (!isOver || status === 'succeeded') return [];
  // One that ended before its photo came never had a price.
  return amount === 0 ? ['', `${reserve}, release 0`] : [`${reserve}, release ${amount}`];
}
