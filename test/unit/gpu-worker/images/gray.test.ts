import sharp, { type Sharp } from 'sharp';
import { describe, expect, it, test } from 'vitest';
import { isGray, toGray, toRgb } from '../../../../gpu-worker/images/gray.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { decodeBytes, fixture, noise, rawImage } from '../../../support/sample-images.ts';

const [WIDTH, HEIGHT] = [96, 72];

/** A black-and-white photo, stored as RGB; `change` of its levels. */
async function photo(change: (level: number, channel: number, x: number, y: number) => number = (level) => level) {
  const gray = await sharp(fixture('photos/08_animal_dog.png'))
    .resize(WIDTH, HEIGHT, { fit: 'fill' })
    .toColourspace('b-w')
    .raw()
    .toBuffer();
  const data = Uint8Array.from({ length: gray.length * 3 }, (_, index) => {
    const pixel = Math.floor(index / 3);
    const value = change(gray[pixel]!, index % 3, pixel % WIDTH, Math.floor(pixel / WIDTH));
    return Math.min(255, Math.max(0, Math.round(value)));
  });
  return { width: WIDTH, height: HEIGHT, channels: 3, data } satisfies Pixels;
}

const file = (pixels: Pixels) => rawImage(pixels.data, pixels.width, pixels.height, 3);
const deep = (pixels: Pixels) => ({ ...pixels, data: Uint16Array.from(pixels.data, (value) => value * 257) });

describe('a black-and-white photo in RGB', () => {
  const encoders: [string, (image: Sharp) => Sharp][] = [
    ['PNG', (image) => image.png()],
    ['palette PNG', (image) => image.png({ palette: true })],
    ['GIF', (image) => image.gif()],
    ['TIFF', (image) => image.tiff()],
    ...[5, 50, 90].flatMap((quality): [string, (image: Sharp) => Sharp][] => [
      [`JPEG ${quality}`, (image) => image.jpeg({ quality })],
      [`JPEG ${quality}, 4:4:4`, (image) => image.jpeg({ quality, chromaSubsampling: '4:4:4' })],
      [`WebP ${quality}`, (image) => image.webp({ quality })],
      [`AVIF ${quality}`, (image) => image.avif({ quality, effort: 0 })],
    ]),
  ];
  it.each(encoders)('is gray as %s', async (_, encode) => {
    const { pixels } = await decodeBytes(await encode(file(await photo())).toBuffer());
    expect(pixels.channels).toBe(3);
    expect(isGray(pixels)).toBe(true);
  });

  test('is gray with the errors that chroma has after several steps', async () => {
    const errors = noise(WIDTH * HEIGHT * 3);
    // One level of each channel up or down, then JPEG; and two levels.
    const one = await photo((level, channel, x, y) => level + (errors[(y * WIDTH + x) * 3 + channel]! % 3) - 1);
    expect(isGray((await decodeBytes(await file(one).jpeg({ quality: 75 }).toBuffer())).pixels)).toBe(true);
    const two = await photo((level, channel, x, y) => level + (errors[(y * WIDTH + x) * 3 + channel]! % 5) - 2);
    expect(isGray(two)).toBe(true);
    expect(isGray(deep(two))).toBe(true);
    // Neutral gray is one step of chroma off, as encoders make it that cut off instead of rounding.
    expect(isGray(await photo((level, channel) => level + (channel === 2 ? 2 : 0)))).toBe(true);
  });

  test('is gray if it really is one: a daguerreotype, JPEG twice; a photo that was made gray', async () => {
    for (const name of ['photos/03_old_scan_classroom_c1850.jpg', 'photos/11_lowlight_sign.png']) {
      const data = new Uint8Array(await sharp(fixture(name)).removeAlpha().raw().toBuffer());
      expect(isGray({ width: data.length / 3, height: 1, channels: 3, data })).toBe(true);
    }
  });
});

describe('no gray photo is', () => {
  const stamp =
    (size: number, color: [number, number, number]) => (level: number, channel: number, x: number, y: number) =>
      x >= 40 && x < 40 + size && y >= 30 && y < 30 + size ? color[channel]! : level;
  const tint =
    (...factors: number[]) =>
    (level: number, channel: number) =>
      level * factors[channel]!;
  const colored: [string, (level: number, channel: number, x: number, y: number) => number][] = [
    ['one with a small red stamp', stamp(4, [180, 30, 40])],
    ['one with a single red pixel', stamp(1, [200, 40, 40])],
    ['one with a pale blue stamp', stamp(6, [225, 230, 246])],
    ['sepia', tint(1, 0.89, 0.7)],
    ['faint sepia', tint(1, 0.98, 0.95)],
    ['a cold tint', tint(0.97, 1, 1.02)],
    ['a tint of three levels', (level, channel) => level + (channel === 1 ? 3 : 0)],
    ['one whose shadows are blue', (level, channel) => (channel === 2 && level < 60 ? level + 12 : level)],
    [
      'one that is a little warm above and cold below',
      (level, channel, _, y) => (channel === 2 ? level + (y < HEIGHT / 2 ? -5 : 5) : level),
    ],
    ['one whose upper half is warm', (level, channel, _, y) => (channel === 2 && y < HEIGHT / 2 ? level - 7 : level)],
  ];
  it.each(colored)('%s', async (_, change) => {
    const pixels = await photo(change);
    expect(isGray(pixels)).toBe(false);
    expect(isGray(deep(pixels))).toBe(false);
  });

  it.each(['07_face_girl', '08_animal_dog', '09_building_city_night', '10_text_mies', '12_landscape_reflection'])(
    '%s in colors, and with a tenth of them',
    async (name) => {
      const { data } = await sharp(fixture(`photos/${name}.png`))
        .removeAlpha()
        .raw()
        .toBuffer({ resolveWithObject: true });
      const pixels: Pixels = { width: data.length / 3, height: 1, channels: 3, data: new Uint8Array(data) };
      expect(isGray(pixels)).toBe(false);
      const luma = toGray(pixels).data;
      const pale = pixels.data.map((value, index) => {
        const own = luma[Math.floor(index / 3)]!;
        return Math.round(own + (value - own) / 10);
      });
      expect(isGray({ ...pixels, data: pale })).toBe(false);
    },
  );
});

test('gray is the luma of the colors, and three times the same as RGB', () => {
  const colors: Pixels = {
    width: 4,
    height: 1,
    channels: 3,
    data: Uint8Array.of(9, 9, 9, 255, 0, 0, 0, 255, 0, 0, 0, 255),
  };
  const gray = toGray(colors);
  // ITU-T T.871: 0.299, 0.587, 0.114.
  expect([...gray.data]).toEqual([9, 76, 150, 29]);
  expect(gray.channels).toBe(1);
  expect([...toRgb(gray).data]).toEqual([9, 9, 9, 76, 76, 76, 150, 150, 150, 29, 29, 29]);
  expect([...toGray(deep(colors)).data]).toEqual([2313, 19595, 38469, 7471]);
  expect(toRgb(toGray(deep(colors)))).toMatchObject({ channels: 3, data: expect.any(Uint16Array) });
});
