import { AppError } from './error.ts';
import type { ApiKey, ClientToken } from './keys.ts';
import { INFLIGHT_RETRY_SECONDS } from './limits.ts';

/**
 * What the account, the API key and the client token of new jobs allow. A state store asks with the numbers that its
 * transaction knows. Amounts are micro-units.
 */

/** `used`: jobs that the token has created. Throws `token-used-up`. */
export function checkTokenJobs(token: ClientToken, used: number, count = 1): void {
  if (used + count <= token.max_jobs) return;
  throw new AppError('token-used-up', `The client token ${token.id} was for ${token.max_jobs} jobs (max_jobs).`);
}

/** `unfinished`: jobs of the key. Throws `quota-exceeded`. */
export function checkInflight(key: ApiKey, cap: number, unfinished: number, count = 1): void {
  if (unfinished + count <= cap) return;
  const rule = `The key ${key.id} may have ${cap} unfinished jobs`;
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

/** `spent`: what counts against the cap. Throws `spend-cap-reached`. */
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
