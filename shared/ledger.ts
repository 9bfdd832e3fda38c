import type { Job } from './job.ts';
import { isTerminal } from './job.ts';
import type { LedgerEntry } from './ports.ts';

/** An account at one moment: what its balance is, and why. */
export interface Statement {
  balance: number;
  /** Oldest first. */
  entries: LedgerEntry[];
  jobs: Pick<Job, 'id' | 'status' | 'charge'>[];
}

/** Everything that is wrong with an account, one sentence each: nothing ever should be. */
export function findLedgerProblems({ balance, entries, jobs }: Statement): string[] {
  const problems: string[] = [];
  const sum = entries.reduce((total, { amount }) => total + amount, 0);
  if (sum !== balance) problems.push(`The balance is ${balance}, the ledger adds up to ${sum}.`);
  const ofJobs = Map.groupBy(
    entries.filter(({ kind }) => kind !== 'top_up'),
    ({ job_id }) => job_id,
  );
  for (const job of jobs) {
    const booked = (ofJobs.get(job.id) ?? []).map(({ kind, amount }) => `${kind} ${amount}`).join(', ');
    const expected = expectedEntries(job);
    if (!expected.includes(booked)) {
      const charge = `${job.charge.state} ${job.charge.amount}`;
      problems.push(`Job ${job.id} is ${job.status}, ${charge}; its entries are: ${booked || 'none'}.`);
    }
    ofJobs.delete(job.id);
  }
  for (const id of ofJobs.keys()) problems.push(`There are entries of job ${id}, which the account does not have.`);
  return problems;
}

/** All that the ledger may say of a job; nothing where its state and its charge exclude one another. */
function expectedEntries({ status, charge: { state, amount } }: Statement['jobs'][number]): string[] {
  const reserve = `reserve ${-amount || 0}`;
  const isOver = isTerminal({ status });
  if (state === 'pending') return status === 'awaiting_upload' && amount === 0 ? [''] : [];
  if (state === 'reserved') return isOver || status === 'awaiting_upload' ? [] : [reserve];
  if (state === 'captured') return status === 'succeeded' ? [`${reserve}, capture 0`] : [];
  if (!isOver || status === 'succeeded') return [];
  // One that ended before its photo came never had a price.
  return amount === 0 ? ['', `${reserve}, release 0`] : [`${reserve}, release ${amount}`];
}
