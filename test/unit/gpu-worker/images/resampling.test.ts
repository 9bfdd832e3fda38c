import { describe, expect, it, test } from 'vitest';
import { resizeForTagger } from '../../../../gpu-worker/images/bilinear-resize.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { pillowResize } from '../../../../gpu-worker/images/pillow-resize.ts';
import { bicubic, resamplingTaps, triangle } from '../../../../gpu-worker/images/resampling.ts';
import { publishedCondition } from '../../../../gpu-worker/methods/seesr/published-mode.ts';

const gray = (width: number, height: number, value: (x: number, y: number) => number): Pixels => ({
  width,
  height,
  channels: 1,
  data: Uint8Array.from({ length: width * height }, (_, index) => value(index % width, Math.floor(index / width))),
});

describe('taps', () => {
  it.each([
    { from: 10, to: 40, antialias: true },
    { from: 40, to: 10, antialias: true },
    { from: 40, to: 10, antialias: false },
    { from: 7, to: 5, antialias: true },
    { from: 1, to: 3, antialias: true },
  ])('of $from to $to lie inside, add up to 1 and keep a ramp a ramp', ({ from, to, antialias }) => {
    for (const kernel of [bicubic, triangle]) {
      for (const [position, { start, weights }] of resamplingTaps(from, to, kernel, antialias).entries()) {
        expect(start).toBeGreaterThanOrEqual(0);
        expect(start + weights.length).toBeLessThanOrEqual(from);
        expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
        const center = ((position + 0.5) * from) / to;
        const reach = kernel.support * Math.max(1, antialias ? from / to : 1);
        const mean = weights.reduce((sum, weight, tap) => sum + weight * (start + tap + 0.5), 0);
        // Exact for enlargement; a widened kernel is only nearly symmetric around its center.
        if (center > reach && center < from - reach)
          expect(Math.abs(mean - center)).toBeLessThan(from < to ? 1e-9 : 0.1);
      }
    }
  });
});

test('Pillow’s bilinear goes straight from one pixel to the next, and averages where it makes smaller', () => {
  const row = (...values: number[]) => gray(values.length, 1, (x) => values[x]!);
  expect([...pillowResize(row(0, 100), 4, 1, triangle).data]).toEqual([0, 25, 75, 100]);
  // Weights 0.75, 0.75 and 0.25 of the pixels within two.
  expect([...pillowResize(row(0, 0, 100, 100), 2, 1, triangle).data]).toEqual([14, 86]);
});

describe('Pillow’s bicubic', () => {
  test('keeps a flat picture flat and clamps overshoots', () => {
    expect(
      new Set(
        pillowResize(
          gray(9, 7, () => 201),
          30,
          4,
        ).data,
      ),
    ).toEqual(new Set([201]));
    const edge = pillowResize(
      gray(8, 1, (x) => (x < 4 ? 0 : 255)),
      32,
      1,
    ).data;
    expect([edge[0], edge.at(-1), Math.min(...edge), Math.max(...edge)]).toEqual([0, 255, 0, 255]);
  });

  test('has no way for 16 bits', () => {
    const pixels: Pixels = { width: 1, height: 1, channels: 1, data: new Uint16Array(1) };
    expect(() => pillowResize(pixels, 2, 2)).toThrow('these pixels have 16');
  });
});

// Shortest sides whose factor falls just short in floating point: 127 pixels instead of 128, and 504 in the end.
it.each([49, 98, 103, 107])('a shortest side of %d ends at 504, as in the reference', (side) => {
  const { height } = publishedCondition(gray(130, side, () => 0)).image;
  expect(height).toBe(504);
});

describe('input of the tagger', () => {
  const stripes = (size: number) => gray(size, size, (x) => (x % 2 === 0 ? 0 : 255));
  const range = (values: Float32Array) => Math.max(...values) - Math.min(...values);

  test('a large photo’s fine pattern averages out with antialias, and aliases without', () => {
    const red = (antialias: boolean) => resizeForTagger(stripes(1152), { size: 384, antialias }).data.subarray(0, 384);
    // 3 pixels a position: the center one alone without, a mean of five or more with.
    expect(range(red(false))).toBeCloseTo(1 / 0.229, 5);
    expect(range(red(true))).toBeLessThan(0.3 / 0.229);
  });

  test('antialias changes nothing for a small photo', () => {
    const pixels = stripes(200);
    expect(resizeForTagger(pixels, { size: 384, antialias: true })).toEqual(
      resizeForTagger(pixels, { size: 384, antialias: false }),
    );
  });

  test('is normalized channel by channel, 16 bits like 8', () => {
    const colors = [51, 102, 255];
    const expected = [(0.2 - 0.485) / 0.229, (0.4 - 0.456) / 0.224, (1 - 0.406) / 0.225];
    for (const data of [Uint8Array.from(colors), Uint16Array.from(colors, (value) => value * 257)]) {
      const { data: values, shape } = resizeForTagger(
        { width: 1, height: 1, channels: 3, data },
        { size: 384, antialias: true },
      );
      expect(shape).toEqual([1, 3, 384, 384]);
      for (const [channel, value] of expected.entries()) {
        expect(values[channel * 384 * 384]).toBeCloseTo(value, 5);
        expect(values[(channel + 1) * 384 * 384 - 1]).toBeCloseTo(value, 5);
      }
    }
  });
});
