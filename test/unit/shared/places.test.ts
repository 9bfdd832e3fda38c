import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AppError } from '../../../shared/error.ts';
import { createPlaces, holdersOf, tellingEnd } from '../../../shared/places.ts';

const account = (name: string, end_user?: string) => holdersOf({ account: name, ...(end_user && { end_user }) });

/** Takes as many as there are for these. */
function takeAll(places: ReturnType<typeof createPlaces>, holders: ReturnType<typeof account>) {
  const releases: (() => void)[] = [];
  for (let release = places.tryTake(holders); release; release = places.tryTake(holders)) releases.push(release);
  return releases;
}
const refusal = (work: () => unknown): AppError => {
  try {
    work();
  } catch (error) {
    return error as AppError;
  }
  throw new Error('It was not refused.');
};

describe('places', () => {
  test('one alone gets half of them, the next half of the rest, and there is one for a holder of none', () => {
    const places = createPlaces({ policy: 'streams', total: 100 });
    expect(takeAll(places, account('a'))).toHaveLength(50);
    expect(takeAll(places, account('b'))).toHaveLength(25);
    expect(takeAll(places, account('c'))).toHaveLength(13);
    for (const name of 'defg') expect(takeAll(places, account(name)).length).toBeGreaterThan(0);
  });

  test('the greedy end up with equal shares, in any order of arrival', () => {
    const places = createPlaces({ policy: 'streams', total: 100 });
    const held = { a: takeAll(places, account('a')), b: takeAll(places, account('b')) };
    // Both ask again for each place that ends.
    for (let i = 0; i < 200; i++) {
      for (const [name, releases] of Object.entries(held)) {
        releases.shift()?.();
        releases.push(...takeAll(places, account(name)));
        for (const [other, theirs] of Object.entries(held))
          if (other !== name) theirs.push(...takeAll(places, account(other)));
      }
    }
    expect(Math.abs(held.a.length - held.b.length)).toBeLessThanOrEqual(1);
  });

  test('an end user, a job and test mode have shares of their own within those of their account', () => {
    const places = createPlaces({ policy: 'streams', total: 120 });
    const job = { kind: 'job', id: 'one', portion: 1 / 4 } as const;
    expect(takeAll(places, [...account('a', 'u'), job])).toHaveLength(24);
    expect(takeAll(places, account('a', 'u'))).toHaveLength(16);
    expect(takeAll(places, account('a', 'v'))).toHaveLength(20);
    expect(takeAll(places, account('a')).length).toBe(0);
    expect(takeAll(places, holdersOf({ account: 'a', test: true }))).toHaveLength(30);
  });

  test('a place given back can be taken again, once', () => {
    const places = createPlaces({ policy: 'streams', total: 2 });
    const release = places.take(account('a'));
    expect(places.tryTake(account('a'))).toBeUndefined();
    release();
    release();
    const again = takeAll(places, account('a'));
    expect(again).toHaveLength(1);
    expect(takeAll(places, account('b'))).toHaveLength(1);
  });

  test('a refusal names the holder with enough, the policy, and when to come again', () => {
    const places = createPlaces({ policy: 'streams', total: 2 });
    places.take(account('a'));
    const enough = refusal(() => places.take(account('a')));
    expect(enough).toMatchObject({
      code: 'quota-exceeded',
      violatedPolicies: ['streams'],
      headers: { 'Retry-After': '5' },
    });
    // It does not name the account: a link may be in anybody's hands.
    expect(enough.message).toBe('The account has 1 of 2 streams, and 1 are free; others need their share.');
    places.take(account('b'));
    expect(refusal(() => places.take(account('c')))).toMatchObject({
      code: 'unavailable',
      headers: { 'Retry-After': '5' },
    });
  });

  test('never more are taken than there are, and no holder of none is refused while there is one', () => {
    const step = fc.record({ who: fc.constantFrom('a', 'b', 'c', 'd'), give: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 100 }), (total, steps) => {
        const places = createPlaces({ policy: 'streams', total });
        const held: Record<string, (() => void)[]> = { a: [], b: [], c: [], d: [] };
        for (const { who, give } of steps) {
          const mine = held[who]!;
          if (give) mine.shift()?.();
          else {
            const taken = Object.values(held).flat().length;
            const release = places.tryTake(account(who));
            expect(release !== undefined).toBe(taken < total && mine.length < total - taken);
            if (release) mine.push(release);
          }
        }
      }),
    );
  });
});

describe('the end of a body', () => {
  const source = () =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array([1, 2]));
        controller.enqueue(new Uint8Array([3]));
        controller.close();
      },
    });

  test('is told when it was read, given up, or broke off', async () => {
    const ends: string[] = [];
    const read = tellingEnd(source(), () => ends.push('read'));
    expect([...new Uint8Array(await new Response(read).arrayBuffer())]).toEqual([1, 2, 3]);
    await tellingEnd(source(), () => ends.push('given up')).cancel();
    const broken = new ReadableStream<Uint8Array>({ pull: () => Promise.reject(new Error('broken')) });
    await expect(new Response(tellingEnd(broken, () => ends.push('broken'))).text()).rejects.toThrow();
    expect(ends).toEqual(['read', 'given up', 'broken']);
  });
});
