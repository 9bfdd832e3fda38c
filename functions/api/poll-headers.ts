import { isTerminal, type Job } from '../../shared/job.ts';

const MAX_RETRY_SECONDS = 15;
const JITTER = 0.2;

/** Weak: queue position and the like may differ between two answers of the same version. */
export function etagOf(job: Job): string {
  return `W/"j${job.version}"`;
}

/** The headers of a poll's answer, the same for 200 and 304 (RFC 9110 section 15.4.5). */
export function pollHeaders(job: Job, now: number): Record<string, string> {
  const headers: Record<string, string> = {
    ETag: etagOf(job),
    'Cache-Control': isTerminal(job) ? 'private, max-age=60' : 'private, no-cache',
    Vary: 'Authorization, X-Api-Key, Prefer, Accept',
  };
  if (!isTerminal(job)) headers['Retry-After'] = retryAfter(job, now);
  return headers;
}

/**
 * Whole seconds, 1 to 15: a quarter of the time that the job may still need, ±20 % so that clients do not align. While
 * nothing is known of that time it is taken to be as long as the time waited so far.
 */
export function retryAfter(job: Job, now: number): string {
  const percent = job.progress?.percent ?? 0;
  const elapsed = (now - Date.parse(percent > 0 ? job.started_at! : job.created_at)) / 1000;
  const remaining = percent > 0 ? (elapsed * (100 - percent)) / percent : elapsed;
  const seconds = Math.min(MAX_RETRY_SECONDS / (1 + JITTER), remaining / 4);
  return String(Math.max(1, Math.round(seconds * (1 - JITTER + 2 * JITTER * Math.random()))));
}

/** Weak comparison of If-None-Match (RFC 9110 section 13.1.2). */
export function isKnownToClient(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch === etag || ifNoneMatch.trim() === '*') return true;
  return ifNoneMatch.split(',').some((tag) => opaque(tag.trim()) === opaque(etag));
}

function opaque(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag;
}
