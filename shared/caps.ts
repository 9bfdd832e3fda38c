import { AppError } from './error.ts';
import type { Job } from './job.ts';
import type { ApiKey, ClientToken } from './keys.ts';
import { INFLIGHT_RETRY_SECONDS } from './limits.ts';
import type { RateLimits } from './rate-limits.ts';

/**
 * Caps of the account, the API key and the client token of new jobs and files. A state store asks with the numbers that
 * its transaction knows. Amounts are micro-units.
 */

/** Files that a client token may announce for each job that it may create: a phone may have to begin anew. */
const FILES_PER_JOB = 3;
/** Idle files go with their jobs, and after a day. */
const IDLE_FILES_RETRY_SECONDS = 600;

/** `used`: jobs that the token has created. Throws `token-used-up`. */
export function checkTokenJobs(token: ClientToken, used: number, count = 1): void {
  if (used + count <= token.max_jobs) return;
  throw new AppError('token-used-up', `The client token ${token.id} was for ${token.max_jobs} jobs (max_jobs).`);
}

/** `who`: a key, or the account with all of its keys. `unfinished`: jobs of it. Throws `quota-exceeded`. */
export function checkInflight(who: string, cap: number, unfinished: number, count = 1): void {
  if (unfinished + count <= cap) return;
  const rule = `${who} may have ${cap} unfinished jobs`;
  const detail = count === 1 ? `${rule}, and has as many.` : `${rule}; it has ${unfinished}, and ${count} more come.`;
  throw new AppError('quota-exceeded', detail, {
    violatedPolicies: ['inflight'],
    headers: { 'Retry-After': String(INFLIGHT_RETRY_SECONDS) },
  });
}

/** Throws `price-exceeded`. */
export function checkMaxPrice(token: ClientToken, amount: number): void {
  if (token.max_price === undefined || amount <= token.max_price) return;
  const rule = `the client token ${token.id} allows ${token.max_price} for each (max_price)`;
  throw new AppError('price-exceeded', `The job costs ${amount} micro-units; ${rule}.`);
}

/** `spent`: the amount that counts against the cap. Throws `spend-cap-reached`. */
export function checkSpendCap(key: ApiKey, spent: number, amount: number): void {
  if (key.spend_cap === undefined || spent + amount <= key.spend_cap) return;
  const rule = `the key ${key.id} has spent ${spent} of its spend_cap ${key.spend_cap}`;
  throw new AppError('spend-cap-reached', `That costs ${amount} micro-units; ${rule}.`);
}

/** Throws `insufficient-credit`. */
export function checkCredit(balance: number, amount: number): void {
  if (balance >= amount) return;
  throw new AppError(
    'insufficient-credit',
    `That costs ${amount} micro-units; the balance of the account is ${balance}.`,
    {
      amounts: { needed: amount, available: balance },
    },
  );
}

/** That the token may announce in all. */
export function maxFiles({ max_jobs }: ClientToken): number {
  return FILES_PER_JOB * max_jobs;
}

/** `announced`: files of the token so far. Throws `token-used-up`. */
export function checkTokenFiles(token: ClientToken, announced: number): void {
  if (announced < maxFiles(token)) return;
  const rule = `was for ${token.max_jobs} jobs (max_jobs), and ${FILES_PER_JOB} files for each`;
  throw new AppError('token-used-up', `The client token ${token.id} ${rule}; it has announced ${announced}.`);
}

/** `idle`: files of the account, in live or in test mode, before one of `bytes` more. Throws `quota-exceeded`. */
export function checkIdleFiles(
  limit: RateLimits['uploads'],
  idle: { files: number; bytes: number },
  bytes: number,
): void {
  if (idle.files + 1 <= limit.quota && idle.bytes + bytes <= limit.bytes) return;
  const rule = `An account may have ${limit.quota} files, ${limit.bytes} bytes in all, of which no job has made a result`;
  const state = `it has ${idle.files} with ${idle.bytes} bytes, and one with ${bytes} comes`;
  throw new AppError('quota-exceeded', `${rule}; ${state}. They go with their jobs (DELETE), or after a day.`, {
    violatedPolicies: ['uploads'],
    headers: { 'Retry-After': String(IDLE_FILES_RETRY_SECONDS) },
  });
}

/** Whether the job has just made a result of its file that is more than a free look at it. */
export function hasRestored(before: Job, after: Job): boolean {
  const isDone = after.status === 'succeeded' && before.status !== 'succeeded';
  return isDone && !after.test && !after.task && !after.parameters.preview;
}
