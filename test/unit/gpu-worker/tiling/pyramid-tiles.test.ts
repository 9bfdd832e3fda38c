import { describe, expect, it, test } from 'vitest';
import { planPyramidTiles, pyramidWeight } from '../../../../gpu-worker/tiling/pyramid-tiles.ts';

describe('tiles whose weight rises from the border', () => {
  // Golden numbers: those of the published formula.
  it.each([
    { size: 128, y: 0, x: 77, weight: 0.01 },
    { size: 128, y: 1, x: 64, weight: 0.01 },
    { size: 128, y: 2, x: 2, weight: 0.015748 },
    { size: 128, y: 63, x: 63, weight: 0.496063 },
    { size: 512, y: 255, x: 255, weight: 0.499022 },
    { size: 3, y: 1, x: 1, weight: 0.5 },
    { size: 1, y: 0, x: 0, weight: 0.01 },
  ])('have $weight at $y, $x of $size', ({ size, y, x, weight }) => {
    expect(pyramidWeight(y, x, size, size)).toBeCloseTo(weight, 6);
  });

  test.each([
    { height: 24, width: 32, count: 6 },
    { height: 16, width: 16, count: 1 },
    { height: 9, width: 17, count: 2 },
    { height: 27, width: 3, count: 3 },
  ])('cover $height × $width in $count tiles, with weights that add up to 1', ({ height, width, count }) => {
    const plan = planPyramidTiles({ height, width, size: 16, stride: 8 });
    expect(plan).toHaveLength(count);
    const sums = new Float64Array(height * width);
    for (const { row, column, weight } of plan) {
      for (let y = 0; y < row.size; y++) {
        for (let x = 0; x < column.size; x++) sums[(row.start + y) * width + column.start + x]! += weight(y, x);
      }
    }
    for (const sum of sums) expect(sum).toBeCloseTo(1, 12);
  });
});
