import { z } from 'zod';
import { AppError } from './error.ts';

/**
 * Rate limits as token buckets: a bucket holds `quota` and fills up again in `window_seconds`, steadily. Told to clients
 * by draft-ietf-httpapi-ratelimit-headers-10.
 */

const policySchema = z.strictObject({ quota: z.int().min(1), window_seconds: z.int().min(1) });
export const rateLimitsSchema = z.strictObject({
  burst: policySchema.default({ quota: 100, window_seconds: 10 }).describe('Requests of a key or client token.'),
  jobs: policySchema.default({ quota: 1000, window_seconds: 3600 }).describe('Jobs of a key, its tokens included.'),
  poll: policySchema.default({ quota: 10, window_seconds: 10 }).describe('Polls of one job by one key or token.'),
  previews: policySchema.default({ quota: 50, window_seconds: 86_400 }).describe('Free previews of a key.'),
  inflight: z
    .strictObject({ quota: z.int().min(1) })
    .default({ quota: 1000 })
    .describe('Unfinished jobs of a key.'),
});
export type RateLimits = z.output<typeof rateLimitsSchema>;
/** Those that have buckets; `inflight` is counted by the state store. */
type BucketPolicy = Exclude<keyof RateLimits, 'inflight'>;

export interface Level {
  policy: BucketPolicy;
  /** How many are left, after this one. */
  remaining: number;
  /** Until the bucket is full, or where none is left, until there is one: whole seconds, rounded up. */
  seconds: number;
}

export interface RateLimiter {
  /** Value of RateLimit-Policy. */
  policies: string;
  /** Takes `count` from the bucket of this subject. Throws `quota-exceeded` with Retry-After, having taken nothing. */
  take(subject: string, policy: BucketPolicy, count?: number): Level;
  /** Puts back one that was taken. */
  giveBack(subject: string, policy: BucketPolicy): void;
}

interface Bucket {
  /** At `at`; not whole, as it fills steadily. */
  tokens: number;
  /** Milliseconds since 1970. */
  at: number;
}

interface Options {
  limits: RateLimits;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Buckets that are remembered; a forgotten one, the least recently used, is full again. */
  capacity?: number;
}

/** Of one process, in memory: several processes each allow the full quota. */
export function createRateLimiter({ limits, now, capacity = 20_000 }: Options): RateLimiter {
  const buckets = new Map<string, Bucket>();
  const nameOf = (subject: string, policy: BucketPolicy) => `${policy} ${subject}`;

  /** Put back at the end: a Map keeps insertion order, so the first entry is the least recently used. */
  function keep(name: string, bucket: Bucket): void {
    buckets.delete(name);
    buckets.set(name, bucket);
    if (buckets.size > capacity) buckets.delete(buckets.keys().next().value!);
  }

  return {
    policies: describePolicies(limits),
    take(subject, policy, count = 1) {
      const name = nameOf(subject, policy);
      const { quota, window_seconds } = limits[policy];
      const tokens = filled(buckets.get(name), limits[policy], now());
      const secondsUntil = (wanted: number) => Math.ceil(((wanted - tokens) * window_seconds) / quota);
      const isRefused = tokens < count;
      keep(name, { tokens: isRefused ? tokens : tokens - count, at: now() });
      if (isRefused) throw exceeded(policy, limits[policy], count > quota ? undefined : secondsUntil(count));
      const remaining = Math.floor(tokens - count);
      return { policy, remaining, seconds: secondsUntil(count + (remaining > 0 ? quota : 1)) };
    },
    giveBack(subject, policy) {
      const name = nameOf(subject, policy);
      const bucket = buckets.get(name);
      if (bucket) bucket.tokens = Math.min(limits[policy].quota, bucket.tokens + 1);
    },
  };
}

/** Value of RateLimit. */
export function describeLevels(levels: readonly Level[]): string {
  return levels.map(({ policy, remaining, seconds }) => `"${policy}";r=${remaining};t=${seconds}`).join(', ');
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

/** A clock that went back fills nothing. */
function filled(bucket: Bucket | undefined, { quota, window_seconds }: RateLimits[BucketPolicy], now: number): number {
  if (!bucket) return quota;
  const seconds = Math.max(0, now - bucket.at) / 1000;
  return Math.min(quota, bucket.tokens + (seconds * quota) / window_seconds);
}

/** `seconds`: until it can be had; absent where it never can. */
function exceeded(
  policy: BucketPolicy,
  { quota, window_seconds }: RateLimits[BucketPolicy],
  seconds: number | undefined,
): AppError {
  const wait = Math.max(1, seconds ?? window_seconds);
  return new AppError('quota-exceeded', `The policy "${policy}" allows ${quota} in ${window_seconds} s.`, {
    violatedPolicies: [policy],
    headers: { 'Retry-After': String(wait), RateLimit: `"${policy}";r=0;t=${wait}` },
  });
}

function describePolicies({ inflight, ...policies }: RateLimits): string {
  const buckets = Object.entries(policies).map(
    ([name, { quota, window_seconds }]) => `"${name}";q=${quota};w=${window_seconds}`,
  );
  return [...buckets, `"inflight";q=${inflight.quota};qu="concurrent-requests"`].join(', ');
}
