import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Lane, lineOf, mayGo, senderOf } from '../../../shared/lanes.ts';
import { MAX_PARALLEL_DELIVERIES } from '../../../shared/limits.ts';

const LANES = 60;
const sender = (account: string, kind: 'webhook' | 'input' | 'result' = 'input', end_user?: string, test?: true) =>
  senderOf({ account, kind, ...(end_user !== undefined && { end_user }), ...(test && { test }) } as Parameters<
    typeof senderOf
  >[0]);

/** The lanes under way when everything asked for in this order goes that may, and nothing ever ends. */
function run(asked: readonly Lane[], lanes = LANES): Lane[] {
  const underway: Lane[] = [];
  for (const lane of asked) {
    const ofLine = underway.filter((other) => lineOf(other.sender) === lineOf(lane.sender));
    if (mayGo(ofLine, lane, lanes - underway.length)) underway.push(lane);
  }
  return underway;
}
const slow = (of: string, count = 500): Lane[] =>
  Array.from({ length: count }, (_, i) => ({ sender: of, target: `${of} ${i}` }));
const countOf = (underway: readonly Lane[], of: string) => underway.filter((lane) => lane.sender === of).length;

describe('lanes', () => {
  test('one alone gets half of them, for any targets', () => {
    expect(run(slow(sender('a')))).toHaveLength(LANES / 2);
  });

  test('however many are slow, a sender with nothing under way gets a lane at once', () => {
    const accounts = Array.from({ length: 200 }, (_, i) => sender(`acc_${i}`));
    const underway = run(accounts.flatMap((of) => slow(of, 50)));
    expect(new Set(underway.map((lane) => lane.sender)).size).toBe(accounts.length);
    // And no more than that where all are taken.
    expect(underway.length).toBeLessThanOrEqual(LANES + accounts.length);
  });

  test('kinds, modes and accounts do not wait for one another', () => {
    const first = slow(sender('a'));
    for (const other of [
      sender('a', 'webhook'),
      sender('a', 'result'),
      sender('a', 'input', undefined, true),
      sender('b'),
    ]) {
      expect(countOf(run([...first, ...slow(other, 1)]), other)).toBe(1);
    }
  });

  test('in an account no end user takes the lanes of another', () => {
    const [mine, theirs] = [sender('a', 'input', 'user/1'), sender('a', 'input', 'user 2')];
    expect(lineOf(mine)).toBe(lineOf(theirs));
    const underway = run([...slow(mine), ...slow(theirs, 5)]);
    expect(countOf(underway, mine)).toBe(LANES / 3);
    expect(countOf(underway, theirs)).toBe(5);
    const users = Array.from({ length: 30 }, (_, i) => sender('a', 'input', `user ${i}`));
    const all = run([...slow(mine), ...users.flatMap((user) => slow(user, 1))]);
    for (const user of users) expect(countOf(all, user)).toBe(1);
  });

  test('a receiver gets no more than it can take', () => {
    const lane = { sender: sender('a', 'webhook'), target: 'whe_1' };
    expect(run(Array(10).fill(lane))).toHaveLength(MAX_PARALLEL_DELIVERIES);
  });

  test('no order of requests takes more than there are and one a line, or locks a line out', () => {
    const asked = fc.record({
      account: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      kind: fc.constantFrom('webhook' as const, 'input' as const),
      user: fc.constantFrom(undefined, '1', '2', '3'),
      target: fc.nat(200),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(asked, { maxLength: 200 }), (lanes, requests) => {
        const all = requests.map(({ account, kind, user, target }) => ({
          sender: sender(account, kind, user),
          target: `${target}`,
        }));
        const underway = run(all, lanes);
        const lines = new Set(all.map((lane) => lineOf(lane.sender)));
        expect(underway.length).toBeLessThanOrEqual(lanes + lines.size);
        expect(new Set(underway.map((lane) => lineOf(lane.sender)))).toEqual(lines);
      }),
    );
  });
});
