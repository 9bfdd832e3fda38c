import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRestorer } from '../../../support/restorer.ts';
import { decodeBytes, displayP3Profile, fixture, rawImage } from '../../../support/sample-images.ts';

/** Gray is a property of the pixels: however a black-and-white photo is stored, its result has no color. */

let restorer: Awaited<ReturnType<typeof createRestorer>>;
beforeAll(async () => {
  restorer = await createRestorer('real-esrgan-fast');
});
afterAll(() => restorer.close());

const [WIDTH, HEIGHT] = [48, 36];

/** The samples of a black-and-white photo, three times each. */
async function blackAndWhite(): Promise<Uint8Array> {
  const gray = await sharp(fixture('photos/07_face_girl.png'))
    .resize(WIDTH, HEIGHT, { fit: 'fill' })
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  return Uint8Array.from({ length: gray.length * 3 }, (_, index) => gray[Math.floor(index / 3)]!);
}

const photo = async () => rawImage(await blackAndWhite(), WIDTH, HEIGHT, 3);

/** Most that red, green and blue of a pixel are apart. */
async function colorfulness(file: Uint8Array): Promise<number> {
  const { pixels } = await decodeBytes(file);
  if (pixels.channels === 1) return 0;
  let most = 0;
  for (let index = 0; index < pixels.data.length; index += 3) {
    const colors = pixels.data.slice(index, index + 3);
    most = Math.max(most, Math.max(...colors) - Math.min(...colors));
  }
  return most;
}

const withAlpha = (image: Sharp) => image.ensureAlpha(0.6);
const containers: [string, (image: Sharp) => Sharp][] = [
  ['PNG', (image) => image.png()],
  ['palette PNG', (image) => image.png({ palette: true })],
  ['16-bit PNG', (image) => image.toColourspace('rgb16').png()],
  ['PNG with alpha', (image) => withAlpha(image).png()],
  ['PNG in Display P3', (image) => image.withIccProfile('p3').png()],
  ['JPEG', (image) => image.jpeg({ quality: 60 })],
  ['WebP', (image) => image.webp({ quality: 60 })],
  ['AVIF', (image) => image.avif({ quality: 60 })],
  ['GIF', (image) => image.gif()],
  ['TIFF', (image) => image.tiff({ compression: 'deflate' })],
];

describe('a black-and-white photo that is stored as color', () => {
  test.each(containers)('%s: comes back as RGB without any color', async (_, store) => {
    const { file } = await restorer.run(await store(await photo()).toBuffer());
    const { channels, hasAlpha } = await sharp(file).metadata();
    expect(channels).toBe(hasAlpha ? 4 : 3);
    expect(await colorfulness(file)).toBe(0);
  });

  test.each([
    ['png', 0],
    ['jpeg', 0],
    ['webp', 1],
    ['avif', 0],
  ])('as %s too, in every size and as faithful as you like', async (format, tolerance) => {
    const png = await (await photo()).png().toBuffer();
    for (const asked of [
      { scale: 1 },
      { scale: 2.5, fidelity: 0.5 },
      { scale: 3, fidelity: 1 },
      { color_fix: 'none' },
    ]) {
      const { file } = await restorer.run(png, { format, ...asked });
      expect(await colorfulness(file)).toBeLessThanOrEqual(tolerance);
      expect((await sharp(file).metadata()).channels).toBe(3);
    }
  });

  test('gets the very levels that it gets as a gray file', async () => {
    const samples = await blackAndWhite();
    const gray = rawImage(
      samples.filter((_, index) => index % 3 === 0),
      WIDTH,
      HEIGHT,
      1,
    );
    const asGray = await restorer.run(await gray.png().toBuffer());
    const asColor = await restorer.run(await (await photo()).png().toBuffer());
    expect((await sharp(asGray.file).metadata()).channels).toBe(1);
    const [one, three] = [await decodeBytes(asGray.file), await decodeBytes(asColor.file)];
    expect(three.pixels.data.filter((_, index) => index % 3 === 1)).toEqual(one.pixels.data);
    expect(asColor.fidelity_report).toEqual(asGray.fidelity_report);
  });

  test('keeps its color profile', async () => {
    const { file } = await restorer.run(await (await photo()).withIccProfile('p3').png().toBuffer());
    expect((await sharp(file).metadata()).icc).toEqual(await displayP3Profile());
  });

  test('below whose alpha there are colors', async () => {
    const samples = await blackAndWhite();
    const rgba = Uint8Array.from({ length: WIDTH * HEIGHT * 4 }, (_, index) => {
      const [pixel, channel] = [index >> 2, index % 4];
      const isSeen = pixel % WIDTH < 30;
      if (channel === 3) return isSeen ? 255 : 0;
      return isSeen ? samples[pixel * 3]! : [0, 255, 90][channel]!;
    });
    const { file } = await restorer.run(await rawImage(rgba, WIDTH, HEIGHT, 4).png().toBuffer(), { scale: 2 });
    expect(await colorfulness(file)).toBe(0);
  });

  test('is one in a preview, too', async () => {
    const png = await (await photo()).png().toBuffer();
    const { file } = await restorer.run(png, { preview: { x: 5, y: 6, width: 20, height: 12 } });
    expect(await colorfulness(file)).toBe(0);
  });
});

describe('a photo with color keeps it', () => {
  const stamped = async () => {
    const samples = await blackAndWhite();
    for (let y = 20; y < 26; y++) {
      for (let x = 30; x < 36; x++) samples.set([200, 30, 40], (y * WIDTH + x) * 3);
    }
    return rawImage(samples, WIDTH, HEIGHT, 3).png().toBuffer();
  };

  test('also where it is but a small red stamp', async () => {
    const { file } = await restorer.run(await stamped());
    const stamp = await sharp(file).extract({ left: 124, top: 84, width: 16, height: 16 }).png().toBuffer();
    const [red, green] = (await sharp(stamp).stats()).channels.map(({ mean }) => mean) as [number, number];
    expect(red - green).toBeGreaterThan(100);
  });

  test('and a gray part of it is no gray photo: the preview shows the colors of the whole', async () => {
    const { file } = await restorer.run(await stamped(), { preview: { x: 0, y: 0, width: 24, height: 18 } });
    expect(await colorfulness(file)).toBeGreaterThan(0);
  });

  test('also where it is sepia', async () => {
    const samples = await blackAndWhite();
    const sepia = samples.map((value, index) => value * [1, 0.89, 0.7][index % 3]!);
    const { file } = await restorer.run(await rawImage(sepia, WIDTH, HEIGHT, 3).png().toBuffer());
    const [before, after] = [sepia, (await decodeBytes(file)).pixels.data].map((data) =>
      [0, 1, 2].map((channel) => {
        const own = Array.from(data).filter((_, index) => index % 3 === channel);
        return own.reduce((sum, value) => sum + value, 0) / own.length;
      }),
    );
    for (const [channel, mean] of after!.entries()) expect(Math.abs(mean - before![channel]!)).toBeLessThan(0.5);
  });
});
