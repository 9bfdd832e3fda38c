import { describe, expect, test } from 'vitest';
import { planLatentTiles } from '../../../../gpu-worker/tiling/latent-tiles.ts';
import { pixelLatent, pixelLatentSide, pixelLatentTiles } from '../../../../shared/methods/pixel-latent.ts';
import { latentOverlap } from '../../../../shared/methods/tile-plan.ts';

const method = pixelLatent({
  id: 'any',
  name: 'Any',
  description: 'Any.',
  license: 'MIT',
  tileSizes: [256, 128, 64],
  unit: 64,
  defaults: { steps: 7 },
  steps: ({ steps = 1 }) => steps,
  price: 1,
  pace: 1,
});

test.each([
  [1, 64],
  [64, 64],
  [65, 128],
  [300, 320],
])('a side of %d is continued to %d', (side, continued) => {
  expect(pixelLatentSide(side, 64)).toBe(continued);
});

test.each([
  [1, 64],
  [64, 64],
  [65, 72],
])('a side of %d is continued to %d, where no side is shorter than 64', (side, continued) => {
  expect(pixelLatentSide(side, 8, 64)).toBe(continued);
  const { start, size } = pixelLatentTiles(side, 64, 8, 64).at(-1)!;
  expect(start + size).toBe(continued);
});

describe.each([64, 128, 192, 256])('tiles of %d', (tileSize) => {
  test('cover every side, overlap, and are whole units', () => {
    for (let side = 1; side < 1500; side += 37) {
      const extent = pixelLatentSide(side, 64);
      const tiles = pixelLatentTiles(side, tileSize, 64);
      expect(tiles[0]!.start).toBe(0);
      expect(tiles.at(-1)!.start + tiles.at(-1)!.size).toBe(extent);
      for (const [index, { start, size }] of tiles.entries()) {
        expect(size % 64).toBe(0);
        expect(size).toBeLessThanOrEqual(tileSize);
        const before = tiles[index - 1];
        if (before) expect(before.start + before.size - start).toBeGreaterThanOrEqual(latentOverlap(tileSize));
      }
    }
  });

  test('are those that the worker takes', () => {
    const planned = planLatentTiles({
      height: 64,
      width: pixelLatentSide(700, 64),
      size: tileSize,
      overlap: latentOverlap(tileSize),
      unit: 64,
    });
    expect(planned.map(({ column: { start, size } }) => ({ start, size }))).toEqual(
      pixelLatentTiles(700, tileSize, 64).map(({ start, size }) => ({ start, size })),
    );
  });
});

test('work is tiles times steps, and none where all of the result is the photo', () => {
  expect(method.work({ width: 256, height: 1 }, { steps: 4 })).toEqual({ tiles: 1, steps: 4, calls: 4 });
  expect(method.work({ width: 257, height: 500 }, { steps: 4 })).toEqual({ tiles: 6, steps: 4, calls: 24 });
  expect(method.work({ width: 257, height: 500 }, { steps: 4, fidelity: 1 })).toEqual({ tiles: 0, steps: 0, calls: 0 });
  expect(method.fidelity.share(0.25)).toBe(0.25);
  expect(method.defaults).toEqual({ fidelity: 0, steps: 7, color_fix: 'wavelet' });
});
