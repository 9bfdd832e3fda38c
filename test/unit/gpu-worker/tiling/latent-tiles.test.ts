import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { elementCount, type Tensor } from '../../../../gpu-worker/tensor/tensor.ts';
import {
  blendTiles,
  centered,
  cutTile,
  gaussianWindow,
  halfOff,
  type LatentTile,
  planEqualTiles,
  planLatentTiles,
  planPublishedTiles,
} from '../../../../gpu-worker/tiling/latent-tiles.ts';

const starts = (tiles: readonly LatentTile[]) => {
  return {
    rows: distinct(tiles.map(({ row }) => row.start)),
    columns: distinct(tiles.map(({ column }) => column.start)),
  };
};
const distinct = (values: number[]) => [...new Set(values)];

describe('the plan of the published script', () => {
  // Worked out by hand from the script's rule: i · (size − overlap), the last one flush with the border.
  it.each([
    { extent: 97, overlap: 4, expected: [0, 1] },
    { extent: 128, overlap: 4, expected: [0, 32] },
    { extent: 188, overlap: 4, expected: [0, 92] },
    { extent: 188, overlap: 32, expected: [0, 64, 92] },
    { extent: 192, overlap: 4, expected: [0, 92, 96] },
    { extent: 256, overlap: 4, expected: [0, 92, 160] },
    { extent: 256, overlap: 32, expected: [0, 64, 128, 160] },
    { extent: 320, overlap: 4, expected: [0, 92, 184, 224] },
    { extent: 512, overlap: 4, expected: [0, 92, 184, 276, 368, 416] },
  ])('covers $extent with tiles of 96, overlap $overlap, at $expected', ({ extent, overlap, expected }) => {
    const plan = starts(planPublishedTiles({ height: extent, width: 96, size: 96, overlap }));
    expect(plan).toEqual({ rows: expected, columns: [0] });
  });

  test('is one tile up to the area of a tile, however long', () => {
    expect(planPublishedTiles({ height: 64, width: 144, size: 96, overlap: 4 }).length).toBe(1);
    expect(planPublishedTiles({ height: 64, width: 145, size: 96, overlap: 4 }).length).toBe(3);
  });

  test('has squares as narrow as the shortest side', () => {
    const tiles = planPublishedTiles({ height: 64, width: 200, size: 96, overlap: 4 });
    for (const { row, column } of tiles) expect([row.size, column.size]).toEqual([64, 64]);
  });

  // Golden numbers, in double precision.
  it.each([
    { midpoint: centered, offset: 0, weight: 1.92636e-5 },
    { midpoint: centered, offset: 95, weight: 1.92636e-5 },
    { midpoint: centered, offset: 47, weight: 3.984015 },
    { midpoint: halfOff, offset: 0, weight: 1.48672e-5 },
    { midpoint: halfOff, offset: 95, weight: 2.489246e-5 },
    { midpoint: halfOff, offset: 48, weight: 3.989423 },
  ])('has weight $weight at $offset of 96', ({ midpoint, offset, weight }) => {
    const span = { start: 0, size: 96, first: true, last: true };
    expect(gaussianWindow(midpoint)(offset, span) / weight).toBeCloseTo(1, 6);
  });
});

describe('the plan of the exact mode', () => {
  test('tiles wherever a side is longer than a tile', () => {
    expect(starts(planLatentTiles({ height: 64, width: 144, size: 96, overlap: 32 }))).toEqual({
      rows: [0],
      columns: [0, 56],
    });
  });

  test('makes tiles no larger than their number needs, in multiples of 8', () => {
    const sides = (width: number) =>
      planLatentTiles({ height: 96, width, size: 96, overlap: 32 }).map(({ column }) => column.size);
    expect(sides(96)).toEqual([96]);
    expect(sides(104)).toEqual([72, 72]);
    expect(sides(256)).toEqual([88, 88, 88, 88]);
  });
});

it.each([
  { size: 32, overlap: 32, width: 100, message: 'Latent tiles of 32 cannot overlap by 32' },
  { size: 96, overlap: 40, width: 500, message: 'Latent tiles of 32 cannot overlap by 40' },
])('refuses an overlap that leaves nothing of a tile: %o', ({ size, overlap, width, message }) => {
  expect(() => planPublishedTiles({ height: 32, width, size, overlap })).toThrow(message);
});

const layouts = fc
  .record({
    height: fc.integer({ min: 1, max: 90 }),
    width: fc.integer({ min: 1, max: 90 }),
    plan: fc.constantFrom(planLatentTiles, planPublishedTiles),
  })
  .chain(({ height, width, plan }) =>
    fc.integer({ min: 2, max: 40 }).chain((size) => {
      const most = plan === planPublishedTiles ? Math.min(size, height, width) : size;
      return fc
        .integer({ min: 0, max: Math.max(0, most - 1) })
        .map((overlap) => ({ height, width, tiles: plan({ height, width, size, overlap }) }));
    }),
  );

describe('blendTiles', () => {
  test('puts together the tiles of cutTile, by any plan', async () => {
    await fc.assert(
      fc.asyncProperty(layouts, async ({ height, width, tiles }) => {
        const latent = ramp([2, 3, height, width]);
        const result = await blendTiles(tiles, async (tile) => cutTile(latent, tile));
        expect(result.shape).toEqual(latent.shape);
        // fp32 weights and sums.
        const differences = result.data.map((value, index) => Math.abs(value - latent.data[index]!));
        expect(differences.findIndex((difference) => !(difference < 1e-5))).toBe(-1);
      }),
      { numRuns: 60 },
    );
  });

  test('is Σ weight · prediction / Σ weight of the published script', async () => {
    const tiles = planPublishedTiles({ height: 28, width: 40, size: 16, overlap: 4 });
    const predict = (index: number): Tensor => ({
      data: ramp([1, 1, 16, 16]).data.map((x) => x * (index + 1)),
      shape: [1, 1, 16, 16],
    });
    const result = await blendTiles(tiles, async (_, index) => predict(index));
    const [sums, weights] = [new Float64Array(28 * 40), new Float64Array(28 * 40)];
    for (const [index, { row, column }] of tiles.entries()) {
      for (const [place, value] of predict(index).data.entries()) {
        const [y, x] = [Math.floor(place / 16), place % 16];
        const weight = gaussianWindow(halfOff)(y, row) * gaussianWindow(centered)(x, column);
        sums[(row.start + y) * 40 + column.start + x]! += weight * value;
        weights[(row.start + y) * 40 + column.start + x]! += weight;
      }
    }
    for (const [index, value] of result.data.entries()) expect(value).toBeCloseTo(sums[index]! / weights[index]!, 5);
  });

  test('a tile knows its place in the picture that is eight times as large', () => {
    const [tile] = planLatentTiles({ height: 4, width: 9, size: 4, overlap: 1 }).slice(1);
    const { data, shape } = cutTile(ramp([1, 1, 32, 72]), tile!, 8);
    expect(shape).toEqual([1, 1, 32, tile!.column.size * 8]);
    expect(data[0]).toBe(ramp([1, 1, 32, 72]).data[tile!.column.start * 8]);
  });
});

/** Different values everywhere, of size 1. */
function ramp(shape: readonly number[]): Tensor {
  return { data: Float32Array.from({ length: elementCount(shape) }, (_, index) => Math.sin(index)), shape };
}

describe('tiles that count alike', () => {
  // Of DiffBIR's script: 0, stride, 2 · stride, and one that is flush with the border.
  it.each([
    { extent: 16, size: 8, stride: 6, expected: [0, 6, 8] },
    { extent: 16, size: 8, stride: 4, expected: [0, 4, 8] },
    { extent: 16, size: 8, stride: 8, expected: [0, 8] },
    { extent: 8, size: 8, stride: 4, expected: [0] },
    { extent: 8, size: Infinity, stride: 0, expected: [0] },
  ])('of $size every $stride over $extent begin at $expected', ({ extent, size, stride, expected }) => {
    const tiles = planEqualTiles({ height: extent, width: 3, size, stride });
    expect(starts(tiles)).toEqual({ rows: expected, columns: [0] });
  });

  it('give the mean where they overlap', async () => {
    const tiles = planEqualTiles({ height: 3, width: 4, size: 3, stride: 1 });
    const blended = await blendTiles(tiles, async (_, index) => {
      return { data: new Float32Array(9).fill(index === 0 ? 1 : 4), shape: [1, 1, 3, 3] };
    });
    expect([...blended.data.subarray(0, 4)]).toEqual([1, 2.5, 2.5, 4]);
  });

  it('are refused where they leave holes', () => {
    expect(() => planEqualTiles({ height: 20, width: 20, size: 4, stride: 6 })).toThrow(/No tile has weight/);
  });
});
