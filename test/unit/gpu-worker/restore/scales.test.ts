import { describe, expect, test } from 'vitest';
import { bandsOf, scaleOf } from '../../../../gpu-worker/images/bands.ts';
import { enlargeRows, shrink } from '../../../../gpu-worker/images/enlarge.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { gatherResult } from '../../../../gpu-worker/images/result-rows.ts';
import { fixColors } from '../../../../gpu-worker/restore/color-fix.ts';
import { compareWithPhoto } from '../../../../gpu-worker/restore/compare.ts';
import { blendFaithful } from '../../../../gpu-worker/restore/faithful-blend.ts';
import { checkResult, reportFidelity } from '../../../../gpu-worker/restore/quality-gate.ts';

/** Everything around a network works with pictures that are any number of times as large as their photo. */

const { signal } = new AbortController();
const [WIDTH, HEIGHT] = [21, 150];

describe.each([1, 2, 3, 8, 16])('%d times as large', (scale) => {
  describe.each([1, 3] as const)('of %d channels', (channels) => {
    const photo = waves(channels);
    const enlarged = enlargeRows(photo, 0, HEIGHT, 8, scale).enlarged;
    const picture: Pixels = { width: WIDTH * scale, height: HEIGHT * scale, channels, data: enlarged };

    test('enlarged without anything invented, its means are the photo, and a strip is that of the whole', () => {
      expect(enlarged).toHaveLength(scale ** 2 * photo.data.length);
      if (scale === 1) expect(enlarged).toEqual(photo.data);
      const means = shrink(enlarged, photo, scale);
      expect(
        difference(
          Float32Array.from(means, (sum) => sum / scale ** 2),
          photo.data,
        ),
      ).toBeLessThan(2);
      const row = scale ** 2 * WIDTH * channels;
      expect(enlargeRows(photo, 40, 30, 8, scale).enlarged).toEqual(enlarged.subarray(40 * row, 70 * row));
    });

    test('16 bits say the same as 8', () => {
      const deep = enlargeRows(photo, 0, HEIGHT, 16, scale).enlarged;
      expect(difference(deep, enlarged, 257)).toBeLessThan(2);
    });

    test('the comparison finds nothing added, and says how much a darker one differs', async () => {
      const same = await compare(photo, picture);
      expect(same.psnr).toBeGreaterThan(50);
      expect([same.delta_e < 0.5, same.added_detail]).toEqual([true, 0]);
      const darker = await compare(photo, { ...picture, data: enlarged.map((value) => value - 20) });
      expect(darker.psnr).toBeCloseTo(10 * Math.log10(255 ** 2 / 400), 0);
      expect(darker.added_detail).toBeCloseTo(20, 1);
    });

    test.each(['wavelet', 'adain'] as const)('%s gives it the colors of the photo', async (method) => {
      const bands = bandsOf({ ...picture, data: enlarged.map((value) => value - 20) }, photo, signal);
      const fixed = await gather(photo, scale, fixColors(photo, bands, method, {}));
      expect(difference(fixed.data, enlarged)).toBeLessThan(3);
    });

    test('the dial moves it towards the photo', async () => {
      const bands = bandsOf({ ...picture, data: enlarged.map((value) => value - 20) }, photo, signal);
      const blended = await gather(photo, scale, blendFaithful(photo, bands, 0.5));
      expect(blended.data).toEqual(enlarged.map((value) => value - 10));
    });

    test('a smaller size is resampled from it, with and without alpha', async () => {
      const alpha: Pixels = {
        width: WIDTH,
        height: HEIGHT,
        channels: 1,
        data: new Uint8Array(WIDTH * HEIGHT).fill(128),
      };
      const size = { width: WIDTH, height: HEIGHT };
      const plain = await gather(photo, scale, bandsOf(picture, photo, signal), size);
      const weighed = await gather(photo, scale, bandsOf(picture, photo, signal), { ...size, alpha });
      for (const { data } of [plain, weighed]) expect(difference(data, photo.data)).toBeLessThan(8);
    });
  });
});

/** The largest, of `samples` in units of those of `others`. */
function difference(samples: ArrayLike<number>, others: ArrayLike<number>, unit = 1): number {
  return Array.from(samples).reduce((most, value, index) => Math.max(most, Math.abs(value / unit - others[index]!)), 0);
}

async function compare(photo: Pixels, picture: Pixels) {
  const comparing = compareWithPhoto(photo, undefined);
  for await (const band of bandsOf(picture, photo, signal)) {
    expect(scaleOf(band, photo)).toBe(picture.width / photo.width);
    comparing.add(band);
  }
  const comparison = comparing.end();
  checkResult(comparison.coarse);
  return reportFidelity(comparison);
}

async function gather(
  photo: Pixels,
  scale: number,
  bands: ReturnType<typeof fixColors>,
  more: { width?: number; height?: number; alpha?: Pixels } = {},
): Promise<Pixels> {
  const size = { width: photo.width * scale, height: photo.height * scale };
  const result = gatherResult({ photo, scale, ...size, bitDepth: 8, ...more });
  for await (const band of bands) result.add(band);
  return result.pixels;
}

/** Far from black and white, and nowhere steep. */
function waves(channels: 1 | 3): Pixels {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * channels }, (_, index) => {
    const [x, y] = [Math.floor(index / channels) % WIDTH, Math.floor(index / channels / WIDTH)];
    return 128 + 40 * Math.sin(x / 3 + (index % channels)) + 20 * Math.cos(y / 4);
  });
  return { width: WIDTH, height: HEIGHT, channels, data };
}
