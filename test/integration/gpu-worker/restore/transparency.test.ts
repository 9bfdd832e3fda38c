import { readFile } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bandsOf } from '../../../../gpu-worker/images/bands.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import type { Restorer } from '../../../../gpu-worker/restore/restorer.ts';
import { openTiff, readDirectory } from '../../../../shared/tiff.ts';
import { createRestorer } from '../../../support/restorer.ts';
import { fixture, HIDDEN_COLORS, noise, rawImage } from '../../../support/sample-images.ts';

/** The invisible part of a photo reaches neither the picture nor the measurements. */

let restorer: Awaited<ReturnType<typeof createRestorer>>;
beforeAll(async () => {
  restorer = await createRestorer('real-esrgan-fast');
});
afterAll(() => restorer.close());

const [WIDTH, HEIGHT] = [44, 36];

type Opacity = (x: number, y: number) => number;
const distance = (x: number, y: number) => Math.hypot(x - 21.5, y - 17.5);
const SHAPES: Record<string, Opacity> = {
  'a hard edge': (x, y) => (distance(x, y) < 14 ? 255 : 0),
  'a soft edge': (x, y) => 255 * (2 - distance(x, y) / 8),
  'thin lines': (x, y) => (x % 9 === 4 || y % 11 === 5 ? 255 : 0),
  holes: (x, y) => (x % 8 < 3 && y % 7 < 3 ? 0 : 255),
};

/** RGBA: `seen` where anything can be seen, `hidden` where nothing can. */
function cutOut(seen: (index: number) => number, opacity: Opacity, hidden: (index: number) => number): Sharp {
  const samples = new Uint8Array(WIDTH * HEIGHT * 4);
  for (let pixel = 0; pixel < WIDTH * HEIGHT; pixel++) {
    const alpha = Math.min(255, Math.max(0, Math.round(opacity(pixel % WIDTH, Math.floor(pixel / WIDTH)))));
    for (let channel = 0; channel < 3; channel++) {
      const index = pixel * 3 + channel;
      samples[pixel * 4 + channel] = alpha > 0 ? seen(index) : hidden(index);
    }
    samples[pixel * 4 + 3] = alpha;
  }
  return rawImage(samples, WIDTH, HEIGHT, 4);
}

let dog: Uint8Array;
beforeAll(async () => {
  dog = await sharp(fixture('photos/08_animal_dog.png'))
    .removeAlpha()
    .resize(WIDTH, HEIGHT, { fit: 'fill' })
    .raw()
    .toBuffer();
});

describe('hidden colors', () => {
  test.each(Object.entries(SHAPES))(
    'change nothing about a result, its report and its heat map: %s',
    async (_, opacity) => {
      for (const asked of [
        {},
        { scale: 1.5, fidelity: 0.4 },
        { format: 'jpeg', color_fix: 'adain' },
        { fidelity: 1 },
      ]) {
        const found = [];
        for (const hidden of Object.values(HIDDEN_COLORS)) {
          const photo = await cutOut((index) => dog[index]!, opacity, hidden)
            .png()
            .toBuffer();
          const { sha256, fidelity_report, heatmapFile } = await restorer.run(photo, asked);
          found.push({ sha256, fidelity_report, heatmap: heatmapFile.toString('base64') });
        }
        for (const other of found) expect(other).toEqual(found[0]);
      }
    },
  );

  test('change nothing about a preview', async () => {
    const preview = { x: 4, y: 10, width: 20, height: 9 };
    const found = new Set<string>();
    for (const hidden of Object.values(HIDDEN_COLORS)) {
      const photo = await cutOut((index) => dog[index]!, SHAPES['a hard edge']!, hidden)
        .png()
        .toBuffer();
      found.add((await restorer.run(photo, { preview })).sha256);
    }
    expect(found.size).toBe(1);
  });
});

const COLOR = [200, 120, 60] as const;

/** The distance of the visible part from the one color of the photo: at most, and the mean of each channel. */
async function deviation(file: Uint8Array): Promise<{ most: number; means: number[] }> {
  const data = await sharp(file).ensureAlpha().toColourspace('srgb').raw().toBuffer();
  let [most, total] = [0, 0];
  const sums = [0, 0, 0];
  for (let index = 0; index < data.length; index += 4) {
    const share = data[index + 3]! / 255;
    total += share;
    for (const [channel, color] of COLOR.entries()) {
      const difference = share * (data[index + channel]! - color);
      sums[channel]! += difference;
      most = Math.max(most, Math.abs(difference));
    }
  }
  return { most, means: sums.map((sum) => sum / total) };
}

/** The network gives a picture of this one color with up to 10 levels of grain at its borders. */
async function expectOneColor(file: Uint8Array): Promise<void> {
  const { most, means } = await deviation(file);
  expect(most).toBeLessThanOrEqual(10);
  for (const mean of means) expect(Math.abs(mean)).toBeLessThan(1);
}

const EXTRA_SAMPLES = 338;

/** A TIFF that says of its alpha that the colors are multiplied by it (TIFF 6.0 section 18). */
function associated(file: Buffer): Uint8Array {
  const tiff = openTiff(file)!;
  const { entries } = readDirectory(tiff, tiff.firstDirectory)!;
  tiff.view.setUint16(entries.find(({ tag }) => tag === EXTRA_SAMPLES)!.valueOffset, 1, tiff.littleEndian);
  return file;
}

describe('the edge of a cut-out has the color that is inside', () => {
  test.each(Object.entries(SHAPES))('in every size: %s', async (_, opacity) => {
    for (const hidden of [HIDDEN_COLORS.black, HIDDEN_COLORS.white, HIDDEN_COLORS.green]) {
      const photo = await cutOut((index) => COLOR[index % 3]!, opacity, hidden)
        .png()
        .toBuffer();
      for (const scale of [1, 1.7, 2, 4]) {
        await expectOneColor((await restorer.run(photo, { scale })).file);
      }
    }
  });

  const containers: [string, (image: Sharp) => Sharp][] = [
    ['palette PNG', (image) => image.png({ palette: true })],
    ['16-bit PNG', (image) => image.toColourspace('rgb16').png()],
    ['GIF', (image) => image.gif()],
    ['WebP', (image) => image.webp({ lossless: true, exact: true })],
    ['AVIF', (image) => image.avif({ lossless: true })],
    ['TIFF', (image) => image.tiff({ compression: 'deflate' })],
  ];
  test.each(containers)('from %s', async (_, store) => {
    const photo = cutOut(
      (index) => COLOR[index % 3]!,
      SHAPES['a hard edge']!,
      () => 0,
    );
    const { file } = await restorer.run(await store(photo).toBuffer(), { scale: 2 });
    await expectOneColor(file);
  });

  test('from AVIF whose colors are multiplied by alpha', async () => {
    const photo = await readFile(fixture('formats/premultiplied.avif'));
    for (const scale of [1, 4]) await expectOneColor((await restorer.run(photo, { scale })).file);
  });

  test('from TIFF whose colors are multiplied by alpha', async () => {
    const seen = cutOut(
      (index) => COLOR[index % 3]!,
      SHAPES['a soft edge']!,
      () => 0,
    );
    const { data, info } = await seen.raw().toBuffer({ resolveWithObject: true });
    const multiplied = data.map((value, index) => (index % 4 === 3 ? value : (value * data[index | 3]!) / 255));
    const tiff = await sharp(multiplied, { raw: { width: info.width, height: info.height, channels: 4 } })
      .tiff({ compression: 'none' })
      .toBuffer();
    await expectOneColor((await restorer.run(associated(tiff), { scale: 2 })).file);
  });

  test.each(['webp', 'avif'])('as %s', async (format) => {
    const photo = await cutOut(
      (index) => COLOR[index % 3]!,
      SHAPES['a hard edge']!,
      () => 0,
    )
      .png()
      .toBuffer();
    await expectOneColor((await restorer.run(photo, { format })).file);
  });

  test('as JPEG, on white: nowhere darker than the color', async () => {
    const photo = await cutOut(
      (index) => COLOR[index % 3]!,
      SHAPES['a soft edge']!,
      () => 0,
    )
      .png()
      .toBuffer();
    const { file } = await restorer.run(photo, { format: 'jpeg', scale: 3 });
    const { channels } = await sharp(file).stats();
    for (const [channel, { min, max }] of channels.entries()) {
      expect(min).toBeGreaterThanOrEqual(COLOR[channel]! - 6);
      expect(max).toBeGreaterThanOrEqual(254);
    }
  });

  test('with gray and alpha', async () => {
    const samples = Uint8Array.from({ length: WIDTH * HEIGHT * 2 }, (_, index) => {
      const pixel = index >> 1;
      const alpha = SHAPES['a hard edge']!(pixel % WIDTH, Math.floor(pixel / WIDTH));
      return index % 2 === 1 ? alpha : alpha > 0 ? 180 : 0;
    });
    const { file } = await restorer.run(await rawImage(samples, WIDTH, HEIGHT, 2).png().toBuffer(), { scale: 2 });
    expect((await sharp(file).metadata()).channels).toBe(2);
    const data = await sharp(file).toColourspace('b-w').raw().toBuffer();
    for (let index = 0; index < data.length; index += 2) {
      if (data[index + 1]! > 8) expect(Math.abs(data[index]! - 180)).toBeLessThanOrEqual(3);
    }
  });
});

describe('a photo of which hardly anything is seen ends well', () => {
  const few: [string, Opacity][] = [
    ['nothing', () => 0],
    ['one pixel', (x, y) => (x === 7 && y === 30 ? 255 : 0)],
    ['a haze', () => 1],
    ['a corner', (x, y) => (x + y < 3 ? 140 : 0)],
  ];
  test.each(few)('%s', async (_, opacity) => {
    for (const asked of [{}, { color_fix: 'adain', scale: 1 }, { fidelity: 1 }, { format: 'jpeg' }]) {
      const photo = await cutOut((index) => dog[index]!, opacity, HIDDEN_COLORS.noise)
        .png()
        .toBuffer();
      const { fidelity_report, file } = await restorer.run(photo, asked);
      expect(fidelity_report!.psnr).toBeGreaterThan(20);
      for (const value of Object.values(fidelity_report!)) expect(Number.isFinite(value)).toBe(true);
      expect((await sharp(file).metadata()).width).toBe('scale' in asked ? WIDTH : 4 * WIDTH);
    }
  });
});

describe('the gate looks at the visible part', () => {
  const photo = () =>
    cutOut(
      (index) => dog[index]!,
      (x) => (x < 8 ? 255 : 0),
      () => 0,
    )
      .png()
      .toBuffer();
  /** As the network gives it, but for one part, which is noise. */
  const spoiled =
    (isSpoiled: (x: number) => boolean): Restorer =>
    async (photo, { signal }) => {
      const data = new Uint8Array(
        await sharp(dog, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
          .resize(4 * WIDTH, 4 * HEIGHT)
          .raw()
          .toBuffer(),
      );
      const grain = noise(data.length);
      const wrong = data.map((value, index) =>
        isSpoiled(Math.floor(index / 3) % (4 * WIDTH)) ? grain[index]! : value,
      );
      const picture: Pixels = { width: 4 * WIDTH, height: 4 * HEIGHT, channels: 3, data: wrong };
      return { bands: bandsOf(picture, photo, signal) };
    };

  test('and lets faults beside it pass', async () => {
    const { fidelity_report } = await restorer.run(
      await photo(),
      { color_fix: 'none' },
      spoiled((x) => x >= 40),
    );
    expect(fidelity_report!.psnr).toBeGreaterThan(25);
  });

  test('and refuses faults there, also where the colors of the photo would hide it', async () => {
    for (const color_fix of ['none', 'wavelet', 'adain']) {
      const refused = restorer.run(
        await photo(),
        { color_fix },
        spoiled((x) => x < 32),
      );
      await expect(refused).rejects.toMatchObject({ code: 'output-rejected' });
    }
  });
});
