import type { Context } from 'hono';
import type { Caller } from '../../shared/keys.ts';
import type { RateLimiter } from '../../shared/rate-limit.ts';
import { describeLevels, type Level } from '../../shared/token-bucket.ts';
import type { Environment } from './dependencies.ts';

const POLL = /^\/v1\/jobs\/(job_[^/]+)$/;

/** Counts the request and tells in the answer, where it is known, how many are left. Throws `quota-exceeded`. */
export function limitRequest(c: Context<Environment>, limiter: RateLimiter, caller: Caller): void {
  c.header('RateLimit-Policy', limiter.policies);
  const subject = limitedSubject(caller);
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
  const jobId = isRead ? POLL.exec(c.req.path)?.[1] : undefined;
  // First, so that polls which come too fast take nothing from the other limits of the key.
  const poll = jobId === undefined ? [] : [limiter.take(`${subject} ${jobId}`, 'poll')];
  const levels = [...poll, limiter.take(subject, 'burst')];
  if (limiter.isAlone) c.header('RateLimit', describeLevels(levels));
}

/** Counts the use of a link to a job, which needs no key. Throws `quota-exceeded`. */
export function limitLink(c: Context<Environment>, limiter: RateLimiter, jobId: string): void {
  c.header('RateLimit-Policy', limiter.policies);
  const level = limiter.take(`link ${jobId}`, 'burst');
  if (limiter.isAlone) c.header('RateLimit', describeLevels([level]));
}

/** An answer that says that nothing has changed costs no more than its poll. */
export function forgiveUnchanged(c: Context<Environment>, limiter: RateLimiter, caller: Caller): void {
  if (c.res.status === 304) limiter.giveBack(limitedSubject(caller), 'burst');
}

/** The counts of the state store for the account: the same whichever process answers. */
export function tellLevels(c: Context<Environment>, { levels = [] }: { levels?: Level[] }): void {
  if (levels.length > 0) c.header('RateLimit', describeLevels(levels), { append: true });
}

/** One busy phone must not use up the limits of the others. */
function limitedSubject({ id, client }: Caller): string {
  return client?.id ?? id;
}
