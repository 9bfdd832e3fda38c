import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../shared/error.ts';
import { createRateLimiter } from '../../../shared/rate-limit.ts';
import { mostRequestsPerSecond, parseRateLimits, rateLimitsSchema } from '../../../shared/rate-limits.ts';
import { describeLevels } from '../../../shared/token-bucket.ts';
import { createClock } from '../../support/clock.ts';

const LIMITS = rateLimitsSchema.parse({
  burst: { quota: 20, window_seconds: 10 },
  jobs: { quota: 600, window_seconds: 3600 },
  poll: { quota: 1, window_seconds: 1 },
  inflight: { quota: 8 },
});

function setUp(capacity?: number) {
  const clock = createClock();
  return { clock, limiter: createRateLimiter({ limits: LIMITS, now: clock.now, ...(capacity && { capacity }) }) };
}

/** Retry-After of the refusal, or undefined. */
function refusal(take: () => unknown): AppError | undefined {
  try {
    take();
    return undefined;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

it.each([
  ['those of default where there are none', undefined, 1010],
  ['requests, and unchanged polls of all jobs at once', LIMITS, 2 + 8],
  ['whole ones', rateLimitsSchema.parse({ ...LIMITS, burst: { quota: 1, window_seconds: 60 } }), 9],
])('knows how many requests a key may send in a second: %s', (_, limits, perSecond) => {
  expect(mostRequestsPerSecond(limits)).toBe(perSecond);
});

describe('rate limiter', () => {
  it('tells its policies as in draft-ietf-httpapi-ratelimit-headers-10', () => {
    const policies = setUp().limiter.policies.split(', ');
    expect(policies).toEqual(expect.arrayContaining(['"burst";q=20;w=10', '"jobs";q=600;w=3600', '"poll";q=1;w=1']));
    expect(policies).toContain('"inflight";q=8;qu="concurrent-requests"');
  });

  it('lets a full bucket through at once and then as many as flow in', () => {
    const { clock, limiter } = setUp();
    for (let left = 19; left >= 0; left--) expect(limiter.take('a', 'burst').remaining).toBe(left);
    const refused = refusal(() => limiter.take('a', 'burst'));
    expect(refused).toMatchObject({ code: 'quota-exceeded', violatedPolicies: ['burst'] });
    expect(refused?.headers).toEqual({ 'Retry-After': '1', RateLimit: '"burst";r=0;t=1' });
    clock.advance(0.5); // one flows in: 20 in 10 s
    expect(limiter.take('a', 'burst')).toEqual({ policy: 'burst', remaining: 0, seconds: 1 });
    expect(refusal(() => limiter.take('a', 'burst'))).toBeDefined();
    clock.advance(1000);
    expect(describeLevels([limiter.take('a', 'burst')])).toBe('"burst";r=19;t=1');
  });

  it('keeps subjects and policies apart', () => {
    const { limiter } = setUp();
    limiter.take('a', 'poll');
    expect(refusal(() => limiter.take('a', 'poll'))).toBeDefined();
    expect(limiter.take('b', 'poll').remaining).toBe(0);
    expect(limiter.take('a', 'burst').remaining).toBe(19);
  });

  it('takes several or none, and says of more than fit that they never do', () => {
    const { limiter } = setUp();
    expect(limiter.take('a', 'burst', 15).remaining).toBe(5);
    expect(refusal(() => limiter.take('a', 'burst', 6))?.headers['Retry-After']).toBe('1');
    expect(limiter.take('a', 'burst', 5).remaining).toBe(0);
    expect(refusal(() => limiter.take('b', 'burst', 21))).toBeDefined();
    expect(limiter.take('b', 'burst', 20).remaining).toBe(0);
  });

  it('puts back the tokens taken, and no more than fits', () => {
    const { limiter } = setUp();
    limiter.take('a', 'burst');
    limiter.giveBack('a', 'burst');
    limiter.giveBack('a', 'burst');
    limiter.giveBack('unknown', 'burst');
    expect(limiter.take('a', 'burst').remaining).toBe(19);
  });

  it('gives nothing for a clock that went back', () => {
    const { clock, limiter } = setUp();
    limiter.take('a', 'burst', 20);
    clock.advance(-3600);
    expect(refusal(() => limiter.take('a', 'burst'))).toBeDefined();
  });

  it('remembers as many buckets as told, the latest used ones', () => {
    const { limiter } = setUp(3);
    for (const subject of ['a', 'b', 'c', 'a', 'd']) refusal(() => limiter.take(subject, 'poll'));
    expect(refusal(() => limiter.take('a', 'poll'))).toBeDefined();
    expect(limiter.take('b', 'poll').remaining).toBe(0); // forgotten, so full again
  });

  it('never lets more through than quota and inflow, and Retry-After is never too early', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { maxLength: 200 }), (pauses) => {
        const { clock, limiter } = setUp();
        let taken = 0;
        let elapsed = 0;
        for (const pause of pauses) {
          clock.advance(pause);
          elapsed += pause;
          const refused = refusal(() => limiter.take('a', 'burst'));
          if (!refused) taken++;
          else {
            const wait = Number(refused.headers['Retry-After']);
            expect(Number.isInteger(wait) && wait >= 1).toBe(true);
            clock.advance(wait);
            elapsed += wait;
            expect(refusal(() => limiter.take('a', 'burst'))).toBeUndefined();
            taken++;
          }
          expect(taken).toBeLessThanOrEqual(20 + elapsed * 2 + 1e-6);
        }
      }),
      { seed: 3, numRuns: 50 },
    );
  });
});

describe('RATE_LIMITS', () => {
  it('is off, default, or JSON for some of the policies', () => {
    expect(parseRateLimits('off')).toBeUndefined();
    const byDefault = parseRateLimits('default')!;
    const changed = parseRateLimits('{"burst":{"quota":5,"window_seconds":1},"inflight":{"quota":2}}');
    expect(changed).toEqual({ ...byDefault, burst: { quota: 5, window_seconds: 1 }, inflight: { quota: 2 } });
  });

  it.each(['on', '{', '{"brust":{}}', '{"burst":{"quota":0,"window_seconds":1}}', '[]'])('is not %s', (text) => {
    expect(refusal(() => parseRateLimits(text))?.code).toBe('invalid');
  });
});
