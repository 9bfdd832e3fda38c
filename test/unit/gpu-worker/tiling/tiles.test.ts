import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blendingWeights, featherWindow, scaleSpan } from '../../../../gpu-worker/tiling/blending.ts';
import { coverExtent, evenTileSize } from '../../../../shared/methods/tile-plan.ts';

/** Extents with tiles that can overlap as asked. */
const plans = fc
  .record({
    extent: fc.integer({ min: 1, max: 3000 }),
    margin: fc.integer({ min: 0, max: 30 }),
    feather: fc.integer({ min: 1, max: 12 }),
  })
  .chain(({ extent, margin, feather }) => {
    const overlap = 2 * margin + feather;
    return fc
      .integer({ min: overlap + 1, max: overlap + 300 })
      .map((size) => ({ extent, margin, feather, overlap, size }));
  });

describe('coverExtent', () => {
  test('covers every position with tiles of one size inside the extent, overlapping enough', () => {
    fc.assert(
      fc.property(plans, ({ extent, size, overlap }) => {
        const spans = coverExtent(extent, size, overlap);
        expect(spans[0]!.start).toBe(0);
        expect(spans.at(-1)!.start + spans.at(-1)!.size).toBe(extent);
        for (const [index, span] of spans.entries()) {
          expect(span.size).toBe(Math.min(size, extent));
          expect([span.first, span.last]).toEqual([index === 0, index === spans.length - 1]);
          const next = spans[index + 1];
          if (next) expect(span.start + span.size - next.start).toBeGreaterThanOrEqual(overlap);
          if (next) expect(next.start).toBeGreaterThan(span.start);
        }
      }),
    );
  });

  test('one tile is the ordinary case', () => {
    expect(coverExtent(100, 128, 20)).toEqual([{ start: 0, size: 100, first: true, last: true }]);
  });

  test('refuses an overlap that leaves nothing', () => {
    expect(() => coverExtent(100, 20, 20)).toThrow('Tiles of 20 cannot overlap by 20');
  });
});

test('evenTileSize needs no more tiles than the largest size, and none larger', () => {
  fc.assert(
    fc.property(plans, ({ extent, size, overlap }) => {
      const even = evenTileSize(extent, size, overlap);
      expect(even).toBeLessThanOrEqual(Math.max(size, extent <= size ? extent : size));
      expect(coverExtent(extent, even, overlap).length).toBe(coverExtent(extent, size, overlap).length);
    }),
  );
});

describe('blendingWeights', () => {
  test('add up to 1 at every position, on the grid of the result too', () => {
    fc.assert(
      fc.property(plans, ({ extent, size, overlap, margin, feather }) => {
        const spans = coverExtent(extent, size, overlap).map((span) => scaleSpan(span, 4));
        const sums = new Float64Array(extent * 4);
        for (const [index, weights] of blendingWeights(
          spans,
          extent * 4,
          featherWindow(margin * 4, feather * 4),
        ).entries()) {
          for (const [offset, weight] of weights.entries()) sums[spans[index]!.start + offset]! += weight;
        }
        expect(Math.max(...sums.map((sum) => Math.abs(sum - 1)))).toBeLessThan(1e-6);
      }),
      { numRuns: 50 },
    );
  });

  test('a tile has no say in the margin beside a neighbor, and all of it at the border of the picture', () => {
    const spans = coverExtent(196, 120, 44); // margin 20, feather 4
    const [first, second] = blendingWeights(spans, 196, featherWindow(20, 4));
    expect([first![0], first!.at(-1), second![0], second!.at(-1)]).toEqual([1, 0, 0, 1]);
    expect(Array.from(second!.subarray(0, 20))).toEqual(new Array(20).fill(0));
  });

  test('positions that no tile knows are an error, not a hole', () => {
    const spans = coverExtent(220, 120, 10);
    expect(() => blendingWeights(spans, 220, featherWindow(20, 4))).toThrow(/No tile has weight at position/);
  });
});
