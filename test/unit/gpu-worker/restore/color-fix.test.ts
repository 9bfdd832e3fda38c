import { describe, expect, it, test } from 'vitest';
import { bandsOf } from '../../../../gpu-worker/images/bands.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { fixColors } from '../../../../gpu-worker/restore/color-fix.ts';
import type { ColorFix } from '../../../../shared/methods/parameters.ts';
import { gather } from '../../../support/bands.ts';
import { noise } from '../../../support/sample-images.ts';

const { signal } = new AbortController();

type Value = (x: number, y: number, channel: number) => number;

function picture(width: number, height: number, value: Value, channels: 1 | 3 = 3): Pixels {
  const data = Uint8Array.from({ length: width * height * channels }, (_, index) => {
    const pixel = Math.floor(index / channels);
    return Math.min(255, Math.max(0, value(pixel % width, Math.floor(pixel / width), index % channels)));
  });
  return { width, height, channels, data };
}

/** Four times as large; `change` of each value and place of the photo. */
function enlarged(photo: Pixels, change: (value: number, x: number, y: number, channel: number) => number): Pixels {
  const { width, height, channels, data } = photo;
  const value: Value = (x, y, channel) => {
    const own = data[((y >> 2) * width + (x >> 2)) * channels + channel]!;
    return change(own, x, y, channel);
  };
  return picture(4 * width, 4 * height, value, channels);
}

async function fixed(photo: Pixels, result: Pixels, method: ColorFix, alpha?: Pixels): Promise<Pixels> {
  const copy = { ...result, data: result.data.slice() };
  return gather(fixColors(photo, bandsOf(copy, photo, signal), method, { alpha }), photo);
}

/** Result made small − photo, of each place of the photo. */
function differences(photo: Pixels, result: Pixels): number[] {
  const { width, channels } = photo;
  return Array.from(photo.data, (value, index) => {
    const [x, y] = [Math.floor(index / channels) % width, Math.floor(index / channels / width)];
    let sum = 0;
    for (let sample = 0; sample < 16; sample++) {
      const at = (4 * y + (sample >> 2)) * 4 * width + 4 * x + (sample % 4);
      sum += result.data[at * channels + (index % channels)]!;
    }
    return sum / 16 - value;
  });
}

function meanShifts(photo: Pixels, result: Pixels): number[] {
  const found = differences(photo, result);
  return Array.from({ length: photo.channels }, (_, channel) => {
    const own = found.filter((_, index) => index % photo.channels === channel);
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  });
}

const textured = picture(70, 150, (x, y, channel) => 100 + 20 * channel + ((x * 7 + y * 13) % 23));

describe('the colors of the photo', () => {
  it.each(['adain', 'wavelet'] as const)(
    '%s takes back a shift of all colors, and rounds to the nearest',
    async (method) => {
      const result = enlarged(textured, (value) => value - 30);
      expect((await fixed(textured, result, method)).data).toEqual(enlarged(textured, (value) => value).data);
    },
  );

  test('adain takes back a stretch of the contrast', async () => {
    const result = enlarged(textured, (value) => 2 * value - 140);
    const found = differences(textured, await fixed(textured, result, 'adain'));
    // The floor under the variances: 0.4 levels at the ends.
    for (const difference of found) expect(Math.abs(difference)).toBeLessThanOrEqual(1);
  });

  test('wavelet keeps fine texture and takes the coarse colors', async () => {
    const slope = picture(40, 30, (x) => 60 + 4 * x);
    const checkered = enlarged(slope, (_, x, y) => ((x + y) % 2 === 0 ? 110 : 130));
    const { data } = await fixed(slope, checkered, 'wavelet');
    for (let x = 60; x < 100; x++) {
      const [here, next] = [data[(61 * 160 + x) * 3]!, data[(61 * 160 + x + 1) * 3]!];
      expect(Math.abs((here + next) / 2 - (59 + x))).toBeLessThanOrEqual(2);
      expect(Math.abs(next - here)).toBeGreaterThanOrEqual(18);
    }
  });

  test('wavelet of a place depends on its neighborhood, so that a change of color stays where it is', async () => {
    const photo = picture(100, 20, (x) => (x < 50 ? 60 : 180));
    const darkened = enlarged(photo, (value, x) => value - (x < 200 ? 20 : 5));
    const found = differences(photo, await fixed(photo, darkened, 'wavelet'));
    for (const [index, difference] of found.entries()) {
      const x = Math.floor(index / 3) % 100;
      expect(Math.abs(difference)).toBeLessThanOrEqual(Math.abs(x - 49.5) > 8 ? 0.5 : 8);
    }
  });

  it.each([
    { name: 'in three strips', width: 40, height: 150, channels: 3 },
    { name: 'gray', width: 9, height: 70, channels: 1 },
    { name: 'smaller than the blur', width: 3, height: 2, channels: 3 },
    { name: 'of one pixel', width: 1, height: 1, channels: 3 },
    { name: 'a column', width: 1, height: 130, channels: 1 },
  ] as const)('wavelet follows its description, of a picture $name', async ({ width, height, channels }) => {
    const grain = noise(width * height * channels);
    const photo = picture(
      width,
      height,
      (x, y, channel) => 70 + (grain[(y * width + x) * channels + channel]! >> 2),
      channels,
    );
    const result = enlarged(photo, (_, x, y, channel) => 90 + ((x * 5 + y * 3 + channel * 7) % 40));
    const expected = byDescription(photo, byDescription(photo, result));
    expect((await fixed(photo, result, 'wavelet')).data).toEqual(expected.data);
    const deep = { ...photo, data: Uint16Array.from(photo.data, (value) => value * 257) };
    expect((await fixed(deep, result, 'wavelet')).data).toEqual(expected.data);
  });

  const clipped: [string, (x: number, y: number) => number][] = [
    ['dark, with stars', (x, y) => ((x * 37 + y * 101) % 97 === 0 ? 220 : (x * y) % 4)],
    ['a page of text', (x, y) => ((x * 13 + y * 29) % 11 < 3 ? 8 : 253)],
    ['white on black', (x, y) => ((x * 13 + y * 29) % 11 < 3 ? 247 : 2)],
    ['half black, half white', (x) => (x < 20 ? 0 : 255)],
  ];
  it.each(clipped)('the mean stays that of the photo where much is black or white: %s', async (_, value) => {
    const photo = picture(40, 90, value);
    const before: number[] = [];
    for (const shift of [-40, -6, 9, 60]) {
      // Contrast beyond that of the photo, which is cut off at black and white.
      const result = enlarged(photo, (own, x, y) => 1.4 * (own - 127) + 127 + shift + ((x + y) % 2 ? 12 : -12));
      before.push(...meanShifts(photo, result).map(Math.abs));
      const shifts = meanShifts(photo, await fixed(photo, result, 'wavelet'));
      for (const found of shifts) expect(Math.abs(found)).toBeLessThan(0.5);
    }
    expect(Math.max(...before)).toBeGreaterThan(4);
  });

  test('adain counts visible pixels', async () => {
    const photo = picture(20, 10, (x, _, channel) => (x < 10 ? 90 + channel : 255));
    const alpha = picture(20, 10, (x) => (x < 10 ? 255 : 0), 1);
    const result = enlarged(photo, (value, x) => (x < 40 ? value - 25 : 0));
    const found = differences(photo, await fixed(photo, result, 'adain', alpha));
    for (const [index, difference] of found.entries()) {
      if (Math.floor(index / 3) % 20 < 10) expect(Math.abs(difference)).toBeLessThanOrEqual(0.5);
    }
    const hidden = { ...alpha, data: new Uint8Array(200) };
    expect((await fixed(photo, result, 'adain', hidden)).data).toEqual(result.data);
  });

  test('none gives the picture as it is', async () => {
    const result = enlarged(textured, (value) => value - 30);
    expect(await fixed(textured, result, 'none')).toEqual(result);
  });

  it.each(['adain', 'wavelet'] as const)('%s stops when it is told to', async (method) => {
    const result = enlarged(textured, (value) => value);
    const stopped = AbortSignal.abort(new Error('enough'));
    const bands = fixColors(textured, bandsOf(result, textured, stopped), method, {});
    await expect(gather(bands, textured)).rejects.toThrow('enough');
  });
});

/** One pass over the whole picture: three dilated blurs of the difference, a linear filter, rounding. */
function byDescription(photo: Pixels, result: Pixels): Pixels {
  const { width, height, channels } = photo;
  const reflected = (at: number, size: number) => {
    const place = ((at % (2 * size)) + 2 * size) % (2 * size);
    return place < size ? place : 2 * size - 1 - place;
  };
  let planes = differences(photo, result).map((value) => -value);
  const at = (x: number, y: number, channel: number) =>
    planes[(reflected(y, height) * width + reflected(x, width)) * channels + channel]!;
  for (const radius of [1, 2, 4]) {
    planes = planes.map((_, index) => {
      const [x, y] = [Math.floor(index / channels) % width, Math.floor(index / channels / width)];
      let sum = 0;
      for (const dy of [-1, 0, 1]) {
        for (const dx of [-1, 0, 1]) {
          const weight = ((2 - Math.abs(dx)) * (2 - Math.abs(dy))) / 16;
          sum += weight * at(x + dx * radius, y + dy * radius, index % channels);
        }
      }
      return sum;
    });
  }
  return picture(
    4 * width,
    4 * height,
    (x, y, channel) => {
      const [left, top] = [(x + 0.5) / 4 - 0.5, (y + 0.5) / 4 - 0.5];
      const [column, row] = [Math.floor(left), Math.floor(top)];
      const [right, below] = [left - column, top - row];
      const correction =
        (1 - below) * ((1 - right) * at(column, row, channel) + right * at(column + 1, row, channel)) +
        below * ((1 - right) * at(column, row + 1, channel) + right * at(column + 1, row + 1, channel));
      return Math.floor(result.data[(y * 4 * width + x) * channels + channel]! + correction + 0.5);
    },
    channels,
  );
}
