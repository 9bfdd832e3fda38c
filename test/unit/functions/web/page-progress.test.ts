import { describe, expect, test } from 'vitest';
import { guessPercent } from '../../../../functions/web/guess-percent.ts';
import { describeRest } from '../../../../functions/web/words.ts';
import type { JobView } from '../../../../shared/client.ts';

const SINCE = Date.parse('2026-01-01T00:00:00Z');
const eta = new Date(SINCE + 100_000).toISOString();
const later = (seconds: number) => ({ since: SINCE, now: SINCE + 1000 * seconds });
const at = (percent: number, more: object) => ({ stage: 'upscale' as const, percent, ...more });

describe('within a tile the bar goes on at the pace of the guess', () => {
  test.each([
    ['at once', 0, 20],
    ['after a tenth of the time that is left', 10, 28],
    ['not past the end of the tile: 42 of 100 are one of two', 60, 61],
    ['and stays there', 1000, 61],
    ['a clock that went back takes nothing away', 0, 20],
  ])('%s', (_when, seconds, percent) => {
    expect(guessPercent({ progress: at(20, { tile: 0, tiles: 2 }), eta }, later(seconds))).toBe(percent);
  });

  test('with many steps each is a small one', () => {
    expect(guessPercent({ progress: at(20, { tiles: 1, tile: 0, steps: 40, step: 3 }), eta }, later(60))).toBe(21);
  });

  test.each([
    ['without a guess', { progress: at(20, { tiles: 2 }) }],
    ['with one that is over', { progress: at(20, { tiles: 2 }), eta: new Date(SINCE - 1000).toISOString() }],
    ['where there are no tiles', { progress: at(20, {}), eta }],
  ])('%s it stands', (_why, told) => {
    expect(guessPercent(told, later(60))).toBe(20);
  });
});

test.each([
  [3, 'it takes longer than estimated'],
  [89, 'it takes longer than estimated'],
  [90, 'nearly done'],
])('a guess that is over at %i percent: %s', (percent, words) => {
  expect(describeRest({ eta: new Date(Date.now() - 1000).toISOString() } as JobView, percent)).toBe(words);
});
