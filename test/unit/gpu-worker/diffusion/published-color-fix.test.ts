import { describe, expect, it, test } from 'vitest';
import { fixColorsAsPublished } from '../../../../gpu-worker/diffusion/published-color-fix.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';

const picture = (width: number, height: number, value: (x: number, y: number, channel: number) => number): Pixels => ({
  width,
  height,
  channels: 3,
  data: Uint8Array.from({ length: width * height * 3 }, (_, index) => {
    const pixel = Math.floor(index / 3);
    return value(pixel % width, Math.floor(pixel / width), index % 3);
  }),
});
const textured = picture(70, 50, (x, y, channel) => 100 + 20 * channel + ((x * 7 + y * 13) % 23));
const mean = ({ data }: Pixels) => Array.from(data).reduce((sum, value) => sum + value, 0) / data.length;

describe('colors as the published script gives them', () => {
  it.each(['adain', 'wavelet'] as const)('%s takes back a shift of all colors', (method) => {
    const shifted = { ...textured, data: textured.data.map((value) => value + 30) };
    const { data } = fixColorsAsPublished(shifted, textured, method);
    // A whole number with a rounding error is rounded down as well.
    for (const [index, value] of data.entries()) expect(textured.data[index]! - value).toBeOneOf([0, 1]);
  });

  test('adain takes back a stretch of the contrast', () => {
    const stretched = { ...textured, data: textured.data.map((value) => 2 * value - 140) };
    const fixed = fixColorsAsPublished(stretched, textured, 'adain');
    // The floor under the variances: 0.4 levels at the ends.
    for (const [index, value] of fixed.data.entries())
      expect(Math.abs(value - textured.data[index]!)).toBeLessThanOrEqual(1);
  });

  test('wavelet keeps fine texture and takes the coarse colors', () => {
    const checkered = picture(70, 50, (x, y) => ((x + y) % 2 === 0 ? 110 : 130));
    const slope = picture(70, 50, (x) => 60 + x);
    const { data } = fixColorsAsPublished(checkered, slope, 'wavelet');
    for (let x = 33; x < 37; x++) {
      const [here, next] = [data[(25 * 70 + x) * 3]!, data[(25 * 70 + x + 1) * 3]!];
      expect(Math.abs((here + next) / 2 - (60.5 + x))).toBeLessThanOrEqual(1);
      expect(Math.abs(next - here)).toBeGreaterThanOrEqual(18);
    }
  });

  test('wavelet is the sum of five bands, as published', () => {
    const other = picture(70, 50, (x, y, channel) => (x * 3 + y * y + channel * 50) % 256);
    const { data } = fixColorsAsPublished(textured, other, 'wavelet');
    const expected = waveletByBands(textured, other);
    for (const [index, value] of data.entries())
      expect(Math.abs(value - Math.floor(expected[index]!))).toBeLessThanOrEqual(1);
  });

  test('rounds down, which is darker by half a level', () => {
    const other = picture(70, 50, (x, y) => (x * y) % 200);
    const exact = waveletByBands(textured, other);
    const exactMean = exact.reduce((sum, value) => sum + value, 0) / exact.length;
    const darker = exactMean - mean(fixColorsAsPublished(textured, other, 'wavelet'));
    expect(darker).toBeGreaterThan(0.4);
    expect(darker).toBeLessThan(0.6);
  });

  test('none gives the picture as it is', () => {
    expect(
      fixColorsAsPublished(
        textured,
        picture(70, 50, () => 0),
        'none',
      ),
    ).toBe(textured);
  });

  it.each(['adain', 'wavelet'] as const)('%s works on one pixel', (method) => {
    const [one, other] = [picture(1, 1, () => 50), picture(1, 1, () => 90)];
    expect(Array.from(fixColorsAsPublished(one, other, method).data)).toEqual([90, 90, 90]);
  });

  test('refuses pictures of different sizes', () => {
    const other = picture(50, 70, () => 0);
    expect(() => fixColorsAsPublished(textured, other, 'adain')).toThrow(
      '50 × 70 × 3 cannot be given to a picture of 70 × 50 × 3',
    );
  });
});

/** Straight from the description: 3 × 3 kernels, dilated; high bands of the one, the low band of the other; not rounded. */
function waveletByBands(result: Pixels, reference: Pixels): number[] {
  const { width, height } = result;
  const blur = (values: number[], radius: number) =>
    values.map((_, index) => {
      const pixel = Math.floor(index / 3);
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      let sum = 0;
      for (const dy of [-1, 0, 1]) {
        for (const dx of [-1, 0, 1]) {
          const [column, row] = [clamp(x + dx * radius, width), clamp(y + dy * radius, height)];
          sum += (values[(row * width + column) * 3 + (index % 3)]! * (2 - Math.abs(dx)) * (2 - Math.abs(dy))) / 16;
        }
      }
      return sum;
    });
  const clamp = (at: number, size: number) => Math.min(size - 1, Math.max(0, at));
  const split = (pixels: Pixels) => {
    let low = Array.from(pixels.data);
    let high = low.map(() => 0);
    for (const radius of [1, 2, 4, 8, 16]) {
      const next = blur(low, radius);
      const current = low;
      high = high.map((value, index) => value + current[index]! - next[index]!);
      low = next;
    }
    return { low, high };
  };
  const { low } = split(reference);
  return split(result).high.map((value, index) => Math.min(255, Math.max(0, value + low[index]!)));
}
