import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRestorer } from '../../../support/restorer.ts';
import { displayP3Profile, fixture } from '../../../support/sample-images.ts';

/** Results in the size, the format and the bits that were asked for, by the real network. */

let restorer: Awaited<ReturnType<typeof createRestorer>>;
beforeAll(async () => {
  restorer = await createRestorer('real-esrgan-fast');
});
afterAll(() => restorer.close());

const [WIDTH, HEIGHT] = [23, 17];
const PIXELS = WIDTH * HEIGHT;

/** A slope, in steps of less than a level of 8 bits. */
const slope = (pixel: number) => 20_000 + 60 * (pixel % WIDTH) + 25 * Math.floor(pixel / WIDTH);
/** Alpha falls to the right, and is never a whole level. */
const opacity = (pixel: number) => 65_535 - 1_111 * (pixel % WIDTH);

type Kind = 'gray' | 'gray with alpha' | 'color' | 'color with alpha';
const CHANNELS = { gray: 1, 'gray with alpha': 2, color: 3, 'color with alpha': 4 } as const;
const KINDS = Object.keys(CHANNELS) as Kind[];

/** A PNG of 16 bits, or of 8. */
async function photo(kind: Kind, bitDepth: 8 | 16 = 16): Promise<Buffer> {
  const channels = CHANNELS[kind];
  const deep = Uint16Array.from({ length: PIXELS * channels }, (_, index) => {
    const [pixel, channel] = [Math.floor(index / channels), index % channels];
    const isAlpha = channels % 2 === 0 && channel === channels - 1;
    return isAlpha ? opacity(pixel) : slope(pixel) + 3_000 * channel;
  });
  const data = bitDepth === 16 ? deep : Uint8Array.from(deep, (value) => Math.round(value / 257));
  return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels } })
    .toColourspace(bitDepth === 16 ? (channels < 3 ? 'grey16' : 'rgb16') : channels < 3 ? 'b-w' : 'srgb')
    .png()
    .toBuffer();
}

/** Samples of a result in 16 bits, without alpha, and alpha. */
async function samplesOf({ file }: { file: Uint8Array }) {
  const { channels, hasAlpha } = await sharp(file).metadata();
  const space = channels < 3 ? 'grey16' : 'rgb16';
  const read = async (of: 'colors' | 'alpha') => {
    const image = sharp(file).toColourspace(space);
    const part = of === 'alpha' ? image.extractChannel('alpha') : image.removeAlpha();
    const raw = await part.raw({ depth: 'ushort' }).toBuffer();
    return new Uint16Array(raw.buffer, raw.byteOffset, raw.length / 2);
  };
  return { colors: await read('colors'), ...(hasAlpha && { alpha: await read('alpha') }) };
}

/** Mean and most of the distances of two pictures, in levels of 8 bits. */
function distance(one: ArrayLike<number>, other: ArrayLike<number>, unit = 1) {
  expect(one.length).toBe(other.length);
  let [sum, most] = [0, 0];
  for (let index = 0; index < one.length; index++) {
    const levels = Math.abs(one[index]! - other[index]!) / unit;
    sum += levels;
    most = Math.max(most, levels);
  }
  return { mean: sum / one.length, most };
}

const share = <Value>(values: Iterable<Value>, is: (value: Value) => boolean) => {
  const all = [...values];
  return all.filter(is).length / all.length;
};

describe('16 bits', () => {
  test.each(KINDS)('of a photo in %s are those of the network, not widened ones', async (kind) => {
    const file = await photo(kind);
    for (const format of ['png', 'tiff'] as const) {
      for (const scale of [1, 2.3, 4]) {
        const [deep, plain] = [
          await restorer.run(file, { format, scale, bit_depth: 16 }),
          await restorer.run(file, { format, scale }),
        ];
        const [width, height] = [Math.round(WIDTH * scale), Math.round(HEIGHT * scale)];
        expect(deep).toMatchObject({ width, height });
        const found = await sharp(deep.file).metadata();
        expect(found).toMatchObject({ format, width, height, depth: 'ushort', channels: CHANNELS[kind] });
        expect((await sharp(plain.file).metadata()).depth).toBe('uchar');
        const [fine, coarse] = [await samplesOf(deep), await samplesOf(plain)];
        expect(share(fine.colors, (value) => value % 257 !== 0)).toBeGreaterThan(0.9);
        // Made in 8 bits it is rounded two or three times: by the network, for its colors, for its size.
        const { mean, most } = distance(fine.colors, coarse.colors, 257);
        expect(most).toBeLessThan(2.5);
        expect(mean).toBeLessThan(0.6);
        if (!fine.alpha) continue;
        expect(share(fine.alpha, (value) => value % 257 !== 0)).toBeGreaterThan(0.9);
        expect(distance(fine.alpha, coarse.alpha!, 257).most).toBeLessThan(2);
      }
    }
  });

  test.each([0, 0.5, 1])('at fidelity %d a slope that 8 bits would make stairs stays one', async (fidelity) => {
    const { colors } = await samplesOf(await restorer.run(await photo('gray'), { fidelity, bit_depth: 16 }));
    const middle = colors.subarray(34 * 4 * WIDTH, 35 * 4 * WIDTH);
    const steps = Array.from(middle.subarray(9), (value, index) => value - middle[index + 8]!);
    // Over 92 pixels it rises by five levels of 8 bits: they would be flat but for five steps.
    expect(share(steps, (step) => step === 0)).toBeLessThan(0.1);
    expect(new Set(middle).size).toBeGreaterThan(60);
    expect(new Set(Array.from(middle, (value) => Math.round(value / 257))).size).toBeLessThan(12);
  });

  test('of a photo of 8 bits are those of the network, too', async () => {
    for (const kind of ['color', 'gray with alpha'] as const) {
      const deep = await restorer.run(await photo(kind, 8), { bit_depth: 16 });
      const { colors } = await samplesOf(deep);
      expect(share(colors, (value) => value % 257 !== 0)).toBeGreaterThan(0.9);
    }
  });

  test('with each way to take the colors of the photo, and as a preview', async () => {
    const file = await photo('color');
    for (const color_fix of ['wavelet', 'adain', 'none']) {
      const { colors } = await samplesOf(await restorer.run(file, { color_fix, bit_depth: 16 }));
      expect(
        share(colors, (value) => value % 257 !== 0),
        color_fix,
      ).toBeGreaterThan(0.9);
    }
    const preview = { x: 3, y: 2, width: 12, height: 10 };
    const part = await restorer.run(file, { preview, bit_depth: 16, target: { width: 46 } });
    expect(await sharp(part.file).metadata()).toMatchObject({ width: 24, height: 20, depth: 'ushort' });
  });

  test('keep the profile of the photo', async () => {
    const icc = await displayP3Profile();
    const tagged = await sharp(await photo('color'))
      .keepIccProfile()
      .withIccProfile('p3')
      .png()
      .toBuffer();
    for (const format of ['png', 'tiff']) {
      const { file } = await restorer.run(tagged, { format, bit_depth: 16 });
      const found = await sharp(file).metadata();
      expect([found.depth, Buffer.compare(found.icc!, icc)]).toEqual(['ushort', 0]);
    }
  });
});

describe('a size', () => {
  test.each([
    [{ scale: 1 }, 60, 40],
    [{ scale: 3.3 }, 198, 132],
    [{ target: { width: 100 } }, 100, 67],
    [{ target: { height: 41 } }, 62, 41],
    [{ target: { width: 150, height: 80 } }, 120, 80],
    [{ target: { megapixels: 0.01 } }, 122, 82],
  ])('%j is met exactly, in every format, and told', async (asked, width, height) => {
    const file = await sharp(fixture('photos/08_animal_dog.png')).resize(60, 40, { fit: 'fill' }).png().toBuffer();
    for (const format of ['png', 'jpg', 'webp', 'avif', 'tif']) {
      const restored = await restorer.run(file, { ...asked, format, fidelity: 1 });
      expect(restored).toMatchObject({ width, height });
      expect(await sharp(restored.file).metadata()).toMatchObject({ width, height });
    }
  });

  test('is the four times larger picture resized by Lanczos', async () => {
    const file = await sharp(fixture('photos/13_phone_shoes.jpg')).resize(90, 120, { fit: 'fill' }).png().toBuffer();
    const four = await restorer.run(file);
    for (const asked of [{ scale: 1 }, { scale: 2 }, { target: { width: 133 } }]) {
      const restored = await restorer.run(file, asked);
      const expected = await sharp(four.file)
        .resize(restored.width, restored.height, { fit: 'fill', kernel: 'lanczos3' })
        .raw()
        .toBuffer();
      const found = await sharp(restored.file).raw().toBuffer();
      const { mean, most } = distance(found, expected);
      expect(mean).toBeLessThan(1);
      expect(most).toBeLessThan(20);
    }
  });
});
