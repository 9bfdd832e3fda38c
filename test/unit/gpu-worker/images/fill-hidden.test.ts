import { describe, expect, it, test } from 'vitest';
import { fillHidden } from '../../../../gpu-worker/images/fill-hidden.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { HIDDEN_COLORS, noise } from '../../../support/sample-images.ts';

const [WIDTH, HEIGHT] = [61, 47];

type Opacity = (x: number, y: number) => number;

function alphaOf(opacity: Opacity, width = WIDTH, height = HEIGHT): Pixels {
  const data = Uint8Array.from({ length: width * height }, (_, pixel) =>
    Math.min(255, Math.max(0, Math.round(opacity(pixel % width, Math.floor(pixel / width))))),
  );
  return { width, height, channels: 1, data };
}

/** A slope of colors where something is seen, `hidden` where nothing is. */
function cutOut(alpha: Pixels, hidden: (index: number) => number): Pixels {
  const { width, height } = alpha;
  const data = Uint8Array.from({ length: width * height * 3 }, (_, index) => {
    const pixel = Math.floor(index / 3);
    return alpha.data[pixel] === 0 ? hidden(index) : 100 + (pixel % width) + 10 * (index % 3);
  });
  return { width, height, channels: 3, data };
}

const distance = (x: number, y: number) => Math.hypot(x - 30, y - 23);
const SHAPES: Record<string, Opacity> = {
  'a hard edge': (x, y) => (distance(x, y) < 18 ? 255 : 0),
  'a soft edge': (x, y) => 255 * (1.5 - distance(x, y) / 14),
  'a thin line': (x, y) => (Math.abs(x - y) < 1 ? 255 : 0),
  holes: (x, y) => (x % 9 < 2 && y % 7 < 2 ? 0 : 255),
  'one pixel': (x, y) => (x === 40 && y === 3 ? 255 : 0),
  'a faint haze': (x, y) => (distance(x, y) < 18 ? 3 : 0),
};

describe('colors below alpha', () => {
  it.each(Object.entries(SHAPES))('are made up from the visible part of %s, from any colors before', (_, opacity) => {
    const alpha = alphaOf(opacity);
    const all = Object.values(HIDDEN_COLORS).map((hidden) => fillHidden(cutOut(alpha, hidden), alpha));
    for (const filled of all) expect(filled).toEqual(all[0]);
    const [filled] = all as [Pixels];
    const seen = filled.data.filter((_, index) => alpha.data[Math.floor(index / 3)]! > 0);
    // No color but those between the ones that are seen; of each pixel, the channels 10 apart.
    const [least, most] = [Math.min(...seen), Math.max(...seen)];
    for (const value of filled.data) expect(value >= least && value <= most).toBe(true);
    for (let index = 0; index < filled.data.length; index += 3) {
      expect(Math.abs(filled.data[index + 2]! - filled.data[index]! - 20)).toBeLessThanOrEqual(1);
    }
  });

  test('go on at an edge as the colors beside it', () => {
    const alpha = alphaOf(SHAPES['a hard edge']!);
    const { data } = fillHidden(
      cutOut(alpha, () => 0),
      alpha,
    );
    for (const [pixel, opacity] of alpha.data.entries()) {
      const [x, y] = [pixel % WIDTH, Math.floor(pixel / WIDTH)];
      if (opacity === 0 && distance(x, y) < 19) expect(Math.abs(data[pixel * 3]! - (100 + x))).toBeLessThanOrEqual(6);
    }
  });

  test('that are seen well enough stay as they are; fainter ones less and less', () => {
    const alpha = alphaOf((x) => 4 * x);
    const pixels: Pixels = { ...alpha, channels: 3, data: noise(WIDTH * HEIGHT * 3) };
    const { data } = fillHidden(pixels, alpha);
    const change = (from: number, to: number) => {
      let sum = 0;
      for (const [index, value] of data.entries()) {
        const x = Math.floor(index / 3) % WIDTH;
        if (x >= from && x < to) sum += Math.abs(value - pixels.data[index]!);
      }
      return sum / (to - from);
    };
    expect(change(16, WIDTH)).toBe(0);
    expect(change(0, 4)).toBeGreaterThan(2 * change(10, 14));
  });

  it.each([1, 3] as const)('%i channels of 16 bits', (channels) => {
    const alpha = alphaOf(SHAPES.holes!);
    const data = Uint16Array.from({ length: WIDTH * HEIGHT * channels }, (_, index) =>
      alpha.data[Math.floor(index / channels)]! > 0 ? 40_001 : 7,
    );
    const filled = fillHidden({ ...alpha, channels, data }, alpha);
    expect(new Set(filled.data)).toEqual(new Set([40_001]));
    const deep = { ...alpha, data: Uint16Array.from(alpha.data, (value) => value * 257) };
    expect(fillHidden({ ...alpha, channels, data }, deep)).toEqual(filled);
  });

  it.each([
    [1, 1],
    [1, 5],
    [2, 3],
    [64, 1],
  ])('of %i × %i where nothing is seen are black, and where all is seen they stay', (width, height) => {
    const nothing = alphaOf(() => 0, width, height);
    const pixels: Pixels = { width, height, channels: 3, data: noise(width * height * 3, 5) };
    expect(new Set(fillHidden(pixels, nothing).data)).toEqual(new Set([0]));
    expect(
      fillHidden(
        pixels,
        alphaOf(() => 255, width, height),
      ),
    ).toEqual(pixels);
  });

  test('leave the photo that was given alone', () => {
    const alpha = alphaOf(SHAPES['a soft edge']!);
    const pixels = cutOut(alpha, () => 0);
    const before = pixels.data.slice();
    fillHidden(pixels, alpha);
    expect(pixels.data).toEqual(before);
  });
});
