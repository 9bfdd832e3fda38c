import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { enlargeRows } from '../../../../gpu-worker/images/enlarge.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { checkDecoded, checkResult } from '../../../../gpu-worker/restore/quality-gate.ts';
import { compareWhole, compareWholeCoarsely } from '../../../support/bands.ts';
import { fixture, noise } from '../../../support/sample-images.ts';

/** 96 × 144, so that it is looked at in three strips. */
async function photo(channels: 1 | 3 = 3): Promise<Pixels> {
  const { data, info } = await sharp(fixture('photos/10_text_mies.lr144.jpg'))
    .extract({ left: 20, top: 0, width: 96, height: 144 })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels, data: new Uint8Array(data) };
}

/** The result of the filter alone. */
async function enlarged(pixels: Pixels): Promise<Pixels> {
  const data = enlargeRows(pixels, 0, pixels.height).enlarged;
  return { ...pixels, width: pixels.width * 4, height: pixels.height * 4, data: new Uint8Array(data) };
}

function filled(pixels: Pixels, value: (index: number) => number): Pixels {
  const size = { width: pixels.width * 4, height: pixels.height * 4, channels: pixels.channels };
  const data = Uint8Array.from({ length: size.width * size.height * size.channels }, (_, index) => value(index));
  return { ...size, data };
}

describe('the comparison of a result with its photo', () => {
  test('finds nothing added to the enlarged photo, whose small picture is nearly the photo', async () => {
    for (const channels of [1, 3] as const) {
      const small = await photo(channels);
      const compared = await compareWhole(small, await enlarged(small));
      expect(compared.addedDetail).toBeLessThan(0.5); // rounding at the borders of strips
      expect(Math.max(...compared.map.values)).toBeLessThan(2);
      expect(compared.meanSquareError).toBeLessThan(20); // a Catmull-Rom filter is not inverted by means
      expect(compared.meanSquareError).toBeGreaterThan(0);
    }
  });

  test('says how far colors are apart, and where something was added', async () => {
    const gray: Pixels = { width: 130, height: 70, channels: 3, data: new Uint8Array(130 * 70 * 3).fill(100) };
    const [row, column] = [4 * 40, 4 * 100];
    const result = filled(gray, (index) => {
      const [x, y] = [Math.floor(index / 3) % 520, Math.floor(index / 3 / 520)];
      return x >= column && x < column + 4 && y >= row && y < row + 4 ? 140 : 100;
    });
    const compared = await compareWhole(gray, result);
    expect(compared.meanSquareError).toBeCloseTo(40 ** 2 / (130 * 70), 6);
    // L* of sRGB 100 is 42.375, of 140 58.278 (IEC 61966-2-1, CIE 15), a* and b* 0.
    expect(compared.deltaE).toBeCloseTo(15.903 / (130 * 70), 5);
    expect(compared.map).toMatchObject({ width: 130, height: 70, cell: 1 });
    expect(compared.map.values[40 * 130 + 100]).toBeCloseTo(40, 4);
    expect(compared.map.values.filter((value) => value > 0)).toHaveLength(1);
  });

  test('maps large photos in cells of several pixels', async () => {
    const wide: Pixels = { width: 1030, height: 7, channels: 1, data: new Uint8Array(1030 * 7).fill(50) };
    const { map, addedDetail } = await compareWhole(
      wide,
      filled(wide, () => 53),
    );
    expect(map).toMatchObject({ width: 344, height: 3, cell: 3 });
    for (const value of map.values) expect(value).toBeCloseTo(3, 5);
    expect(addedDetail).toBeCloseTo(3, 5);
  });

  test('takes 16 bits by their share', async () => {
    const small = await photo();
    const deep = { ...small, data: Uint16Array.from(small.data, (value) => value * 257) };
    const result = await enlarged(small);
    expect(await compareWhole(deep, result)).toEqual(await compareWhole(small, result));
  });
});

describe('the gate', () => {
  const judge = async (small: Pixels, result: Pixels) => {
    const { coarse } = await compareWhole(small, result);
    expect(await compareWholeCoarsely(small, result)).toEqual(coarse);
    checkResult(coarse);
  };
  const rejection = (message: RegExp) => ({ code: 'output-rejected', retryable: false, message });

  test('lets pass the same picture: as it is, sharpened, without its grain', async () => {
    const small = await photo();
    const plain = await enlarged(small);
    await judge(small, plain);
    const sharpened = await sharp(plain.data, { raw: { width: plain.width, height: plain.height, channels: 3 } })
      .sharpen({ sigma: 4 })
      .raw()
      .toBuffer();
    await judge(small, { ...plain, data: new Uint8Array(sharpened) });
    const grain = noise(small.data.length);
    await judge({ ...small, data: small.data.map((value, index) => value + (grain[index]! - 128) / 4) }, plain);
  });

  test('rejects black, one color, noise, and another picture, with the number and the rule', async () => {
    const small = await photo();
    const flat = rejection(
      /^The result is flat: its variance is 0\.0\d\d of the photo's; at least 0\.1 is required\.$/,
    );
    const foreign = rejection(/agrees with it to \d+\.\d dB; at least 18 dB are required\.$/);
    const random = noise(small.data.length * 16);
    await expect(
      judge(
        small,
        filled(small, () => 0),
      ),
    ).rejects.toMatchObject(flat);
    await expect(
      judge(
        small,
        filled(small, () => 128),
      ),
    ).rejects.toMatchObject(flat);
    await expect(
      judge(
        small,
        filled(small, (index) => random[index]!),
      ),
    ).rejects.toMatchObject(flat);
    const upsideDown = await enlarged(small);
    upsideDown.data.reverse();
    await expect(judge(small, upsideDown)).rejects.toMatchObject(foreign);
    const negative = await enlarged(small);
    for (const [index, value] of negative.data.entries()) negative.data[index] = 255 - value;
    await expect(judge(small, negative)).rejects.toMatchObject(foreign);
  });

  test('of a photo of one color asks for that color only', async () => {
    const blue: Pixels = { width: 3, height: 2, channels: 3, data: new Uint8Array(18) };
    blue.data.set([10, 20, 200, 10, 20, 200, 10, 20, 200, 10, 20, 200, 10, 20, 200, 10, 20, 200]);
    await judge(
      blue,
      filled(blue, (index) => blue.data[index % 3]! + 2),
    );
    await expect(
      judge(
        blue,
        filled(blue, () => 0),
      ),
    ).rejects.toMatchObject({ code: 'output-rejected' });
  });

  test('sees a flat picture before it gets the colors of the photo', async () => {
    const reference = await enlarged(await photo());
    const gray = { ...reference, data: new Uint8Array(reference.data.length).fill(127) };
    expect(() => checkDecoded(gray, reference)).toThrow(/^The result is flat/);
    checkDecoded(reference, reference);
    checkDecoded(gray, gray);
  });
});
