import { z } from 'zod';
import { AppError } from './error.ts';
import type { Job } from './job.ts';
import { MAX_STREAMS } from './limits.ts';

/**
 * Limits of an account, a key or a client token, on how often and how much at the same time: configuration. Told to
 * clients by draft-ietf-httpapi-ratelimit-headers-10.
 */

const DAY = 86_400;
const rate = (quota: number, window_seconds: number, text: string) =>
  z
    .strictObject({ quota: z.int().min(1), window_seconds: z.int().min(1) })
    .default({ quota, window_seconds })
    .describe(text);

export const rateLimitsSchema = z.strictObject({
  burst: rate(100, 10, 'Requests of a key or client token, or with a link to a job.'),
  jobs: rate(1000, 3600, 'Jobs of an account, all of its keys and client tokens together.'),
  poll: rate(10, 10, 'Polls of one job by one key or token.'),
  previews: rate(50, DAY, 'Free previews of an account.'),
  tags: rate(200, DAY, 'Photos of an account that are looked at for tags.'),
  tokens: rate(10_000, 3600, 'Client tokens of an account.'),
  keys: rate(100, DAY, 'Keys that an account creates or rotates.'),
  pings: rate(200, 3600, 'Webhooks of an account that are sent on demand: pings and replays.'),
  inflight: z
    .strictObject({ quota: z.int().min(1) })
    .default({ quota: 1000 })
    .describe('Unfinished jobs of an account.'),
  uploads: z
    .strictObject({ quota: z.int().min(1), bytes: z.int().min(1) })
    .default({ quota: 2000, bytes: 32 * 1024 ** 3 })
    .describe('Files of an account that are announced or kept, and of which no live job has made a result.'),
});
export type RateLimits = z.output<typeof rateLimitsSchema>;

/** Counted in the memory of each process. */
export type ProcessPolicy = 'burst' | 'poll';
/** Counted in the state store, for an account in live or in test mode. */
export type AccountPolicy = 'jobs' | 'previews' | 'tags' | 'tokens' | 'keys' | 'pings';

/** Policies that a new job counts against. */
export function policiesOf({ parameters, task }: Pick<Job, 'parameters' | 'task'>): AccountPolicy[] {
  return [
    'jobs',
    ...(parameters.preview ? (['previews'] as const) : []),
    ...(task === 'tags' ? (['tags'] as const) : []),
  ];
}

/** `off`, `default`, or JSON with some policies; the others stay as they are. Throws `invalid`. */
export function parseRateLimits(text: string): RateLimits | undefined {
  if (text === 'off') return undefined;
  if (text === 'default') return rateLimitsSchema.parse({});
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw new AppError('invalid', `"${text}" is not "off", "default" or JSON.`);
  }
  const parsed = rateLimitsSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const rules = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new AppError('invalid', `These are no rate limits: ${rules.join('; ')}.`);
}

/**
 * Of one key or client token: its requests, and polls that bring nothing new, which do not count as such. Where there
 * are no limits, as many as where there are those of `default`.
 */
export function mostRequestsPerSecond(limits = rateLimitsSchema.parse({})): number {
  const { burst, poll, inflight } = limits;
  return Math.ceil(burst.quota / burst.window_seconds + (inflight.quota * poll.quota) / poll.window_seconds);
}

/** Value of RateLimit-Policy. */
export function describePolicies({ inflight, uploads, ...rates }: RateLimits): string {
  const buckets = Object.entries(rates).map(
    ([name, { quota, window_seconds }]) => `"${name}";q=${quota};w=${window_seconds}`,
  );
  const streams = { quota: MAX_STREAMS / 2 };
  const together = Object.entries({ uploads, streams, inflight }).map(
    ([name, { quota }]) => `"${name}";q=${quota};qu="concurrent-requests"`,
  );
  return [...buckets, ...together].join(', ');
}
