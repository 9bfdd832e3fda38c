import type { Context } from 'hono';
import type { Caller } from '../../shared/keys.ts';
import { describeLevels, type RateLimiter } from '../../shared/rate-limit.ts';
import type { Environment } from './dependencies.ts';

const POLL = /^\/v1\/jobs\/(job_[^/]+)$/;

/** Counts the request and tells in the answer how many are left. Throws `quota-exceeded`. */
export function limitRequest(c: Context<Environment>, limiter: RateLimiter, caller: Caller): void {
  c.header('RateLimit-Policy', limiter.policies);
  const subject = limitedSubject(caller);
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD';
  const jobId = isRead ? POLL.exec(c.req.path)?.[1] : undefined;
  // First, so that polls which come too fast take nothing from what else the key may do.
  const poll = jobId === undefined ? [] : [limiter.take(`${subject} ${jobId}`, 'poll')];
  c.header('RateLimit', describeLevels([...poll, limiter.take(subject, 'burst')]));
}

/** An answer that says that nothing has changed costs no more than its poll. */
export function forgiveUnchanged(c: Context<Environment>, limiter: RateLimiter, caller: Caller): void {
  if (c.res.status === 304) limiter.giveBack(limitedSubject(caller), 'burst');
}

/**
 * For whatever creates jobs, once it is known to be no repeat. The tokens of a key share its quota of jobs: nobody gets
 * more by making tokens. Throws `quota-exceeded`.
 */
export function limitNewJobs(c: Context<Environment>, limiter: RateLimiter | undefined, count = 1): void {
  if (!limiter) return;
  c.header('RateLimit', describeLevels([limiter.take(c.get('apiKey').id, 'jobs', count)]), { append: true });
}

/** They are free: a key has so many a day. Throws `quota-exceeded`. */
export function limitPreviews(c: Context<Environment>, limiter: RateLimiter | undefined): void {
  if (!limiter) return;
  c.header('RateLimit', describeLevels([limiter.take(c.get('apiKey').id, 'previews')]), { append: true });
}

/** One busy phone must not use up what the others have. */
function limitedSubject({ id, client }: Caller): string {
  return client?.id ?? id;
}
