import { describe, expect, test } from 'vitest';
import { enlargeRows } from '../../../../gpu-worker/images/enlarge.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { noise } from '../../../support/sample-images.ts';

describe('a photo enlarged without anything invented', () => {
  test('in 16 bits: its means of 4 × 4 are the photo, finer than 8 bits can tell', () => {
    const [width, height] = [24, 40];
    // From 20,000 up in steps of a seventh of a level.
    const data = Uint16Array.from(
      { length: width * height },
      (_, pixel) => 20_000 + 37 * (pixel % width) + 11 * Math.floor(pixel / width),
    );
    const photo: Pixels = { width, height, channels: 1, data };
    const { rows, enlarged } = enlargeRows(photo, 0, height, 16);
    expect(rows).toEqual(data);
    for (let y = 1; y < height - 1; y++) {
      for (let x = 1; x < width - 1; x++) {
        let sum = 0;
        for (let i = 0; i < 16; i++) sum += enlarged[(4 * y + (i >> 2)) * 4 * width + 4 * x + (i & 3)]!;
        expect(Math.abs(sum / 16 - data[y * width + x]!)).toBeLessThan(8);
      }
    }
    expect(new Set(enlarged).size).toBeGreaterThan(new Set(data).size);
  });

  test('8 bits count as 16 of 257 times the level, and the other way round', () => {
    const photo: Pixels = { width: 9, height: 30, channels: 3, data: noise(9 * 30 * 3) };
    const wide = { ...photo, data: Uint16Array.from(photo.data, (value) => value * 257) };
    expect(enlargeRows(wide, 5, 10)).toEqual(enlargeRows(photo, 5, 10));
    expect(enlargeRows(photo, 5, 10, 16)).toEqual(enlargeRows(wide, 5, 10, 16));
    const [deep, coarse] = [enlargeRows(photo, 5, 10, 16).enlarged, enlargeRows(photo, 5, 10).enlarged];
    const distances = Array.from(deep, (value, index) => Math.abs(value / 257 - coarse[index]!));
    expect(distances.reduce((sum, distance) => sum + distance, 0) / distances.length).toBeLessThan(0.5);
  });

  test.each([8, 16] as const)('in %d bits a strip equals the same rows of the whole', (bitDepth) => {
    const photo: Pixels = { width: 9, height: 50, channels: 3, data: noise(9 * 50 * 3) };
    const whole = enlargeRows(photo, 0, 50, bitDepth).enlarged;
    for (const [start, count] of [
      [0, 7],
      [20, 11],
      [45, 5],
    ] as const) {
      const part = whole.subarray(start * 16 * 27, (start + count) * 16 * 27);
      expect(enlargeRows(photo, start, count, bitDepth).enlarged).toEqual(part);
    }
  });
});
