import { readFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeImage } from '../../../../gpu-worker/images/decode.ts';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { readMetadata } from '../../../../gpu-worker/images/metadata.ts';
import {
  adobeRgbProfile,
  bombPng,
  decodeBytes,
  displayP3Profile,
  fixture,
  limits,
  noise,
  rawImage,
  withJpegExif,
  withPngChunk,
} from '../../../support/sample-images.ts';

const WIDTH = 31;
const HEIGHT = 20;
const rgb = noise(WIDTH * HEIGHT * 3);
const grey = noise(WIDTH * HEIGHT);
const rgba = noise(WIDTH * HEIGHT * 4);

/** Every n-th sample. */
const plane = (samples: Uint8Array | Uint16Array, from: number, step: number) =>
  samples.filter((_, i) => i % step === from);
const withoutAlpha = (samples: Uint8Array) => samples.filter((_, i) => i % 4 !== 3);

function meanDifference(a: Pixels, b: Pixels): number {
  expect([a.width, a.height, a.channels]).toEqual([b.width, b.height, b.channels]);
  let sum = 0;
  for (const [i, value] of a.data.entries()) sum += Math.abs(value - b.data[i]!);
  return sum / a.data.length;
}

describe('fixtures', () => {
  it.each([
    ['formats/8bit-sRGB.avif', 1617, 1080, 3],
    ['formats/exif-orientation-6-portrait.jpg', 840, 700, 1],
    ['photos/01_old_portrait_curie_c1904.jpg', 840, 700, 3],
    ['photos/02_old_scan_sphinx_1870s.jpg', 800, 626, 3],
    ['photos/05_landscape_tanners_ridge.jpg', 800, 534, 3],
    ['photos/06_landscape_denali.webp', 600, 315, 3],
    ['photos/11_lowlight_sign.png', 576, 576, 3],
  ])('%s is %d×%d with %d channels', async (file, width, height, channels) => {
    const { pixels, alpha } = await decodeImage(fixture(file), limits);
    expect(pixels).toMatchObject({ width, height, channels });
    expect(pixels.data).toHaveLength(width * height * channels);
    expect(alpha).toBeUndefined();
  });

  it('HEIC and HDR are refused', async () => {
    const heic = decodeImage(fixture('formats/iphone7.heic'), limits);
    await expect(heic).rejects.toMatchObject({ code: 'unsupported-media-type' });
    const hdr = decodeImage(fixture('formats/10bit-HDR-P3-nclx.avif'), limits);
    await expect(hdr).rejects.toMatchObject({ code: 'hdr-unsupported' });
  });

  it('photos of all orientations are the same picture', async () => {
    const upright = await decodeImage(fixture('formats/exif_Landscape_2.jpg'), limits);
    for (const orientation of [3, 4, 5, 6, 7, 8]) {
      const { pixels } = await decodeImage(fixture(`formats/exif_Landscape_${orientation}.jpg`), limits);
      // Each was compressed on its own; a picture turned wrongly differs by 40 and more.
      expect(meanDifference(pixels, upright.pixels)).toBeLessThan(4);
    }
  });
});

describe('orientation', () => {
  it.each(['png', 'webp', 'tiff'] as const)('%s: pixels as by autoOrient for 1..8', async (format) => {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const options = format === 'webp' ? { lossless: true } : format === 'tiff' ? { compression: 'lzw' as const } : {};
      const file = await rawImage(rgb, WIDTH, HEIGHT, 3).withMetadata({ orientation })[format](options).toBuffer();
      const expected = await sharp(file, { ignoreIcc: true }).autoOrient().raw().toBuffer({ resolveWithObject: true });
      const { pixels } = await decodeBytes(file);
      expect([pixels.width, pixels.height]).toEqual([expected.info.width, expected.info.height]);
      expect(pixels.data).toEqual(new Uint8Array(expected.data));
    }
  });

  it('JPEG and AVIF, with alpha and 16 bits turned as well', async () => {
    const orientation = 6;
    const jpeg = await rawImage(rgb, WIDTH, HEIGHT, 3).withMetadata({ orientation }).jpeg({ quality: 100 }).toBuffer();
    expect((await decodeBytes(jpeg)).pixels).toMatchObject({ width: HEIGHT, height: WIDTH });
    const avif = await rawImage(rgb, WIDTH, HEIGHT, 3).withMetadata({ orientation }).avif().toBuffer();
    expect((await decodeBytes(avif)).pixels).toMatchObject({ width: HEIGHT, height: WIDTH });

    const png = await rawImage(rgba, WIDTH, HEIGHT, 4).withMetadata({ orientation }).png().toBuffer();
    const { alpha } = await decodeBytes(png);
    expect(alpha).toMatchObject({ width: HEIGHT, height: WIDTH, channels: 1 });
    // Orientation 6: the first stored row is seen as the right column, from top to bottom.
    expect(plane(alpha!.data, HEIGHT - 1, HEIGHT)).toEqual(plane(rgba, 3, 4).slice(0, WIDTH));
  });
});

describe('colour', () => {
  it.each([
    ['Display P3', displayP3Profile],
    ['Adobe RGB', async () => adobeRgbProfile()],
  ])('%s: values stay, the profile is returned', async (_name, createProfile) => {
    const profile = await createProfile();
    const iccp = Buffer.concat([Buffer.from('name\0\0', 'latin1'), deflateSync(profile)]);
    const file = withPngChunk(await rawImage(rgb, WIDTH, HEIGHT, 3).png().toBuffer(), 'iCCP', iccp);
    const converted = await sharp(file).raw().toBuffer();
    expect(Buffer.compare(converted, rgb)).not.toBe(0); // the profile is valid: sharp's default does convert
    const { pixels, metadata, notes } = await decodeBytes(file);
    expect(pixels.data).toEqual(rgb);
    expect(Buffer.compare(metadata.icc!, profile)).toBe(0);
    expect(notes).toEqual([]);
  });

  it('CMYK becomes sRGB and loses its profile, with a note', async () => {
    const flat = new Uint8Array(WIDTH * HEIGHT * 3).map((_, i) => [160, 150, 140][i % 3]!);
    const file = await rawImage(flat, WIDTH, HEIGHT, 3).withIccProfile('cmyk').jpeg({ quality: 100 }).toBuffer();
    expect(await sharp(file).metadata()).toMatchObject({ space: 'cmyk', hasProfile: true });
    const { pixels, metadata, notes } = await decodeBytes(file);
    expect(pixels.channels).toBe(3);
    expect(metadata.icc).toBeUndefined();
    expect(notes.join()).toContain('CMYK to sRGB');
    // A press can print it; the perceptual intent there and back costs a few steps (inverted plates would cost 100).
    [160, 150, 140].forEach((value, c) => {
      expect(Math.abs(pixels.data[c]! - value)).toBeLessThan(12);
    });
  });

  it('Lab becomes sRGB', async () => {
    const file = await rawImage(rgb, WIDTH, HEIGHT, 3).toColourspace('lab').tiff({ compression: 'lzw' }).toBuffer();
    const { pixels, notes } = await decodeBytes(file);
    expect(notes.join()).toContain('LAB to sRGB');
    expect(Math.max(...pixels.data.map((value, i) => Math.abs(value - rgb[i]!)))).toBeLessThanOrEqual(2);
  });

  it('a profile that is damaged or for another colour space is left out with a note', async () => {
    const found = await sharp(await rawImage(rgb, WIDTH, HEIGHT, 3).png().toBuffer()).metadata();
    for (const [icc, channels] of [
      [Buffer.from(noise(300)), 3],
      [adobeRgbProfile(), 1],
    ] as const) {
      const notes: string[] = [];
      expect(readMetadata({ ...found, icc }, channels, notes).icc).toBeUndefined();
      expect(notes.join()).toContain('color profile is damaged or not for');
    }
  });
});

describe('sample kinds', () => {
  it('grey stays one channel, also beside alpha', async () => {
    const plain = await decodeBytes(await rawImage(grey, WIDTH, HEIGHT, 1).png().toBuffer());
    expect(plain.pixels).toEqual({ width: WIDTH, height: HEIGHT, channels: 1, data: grey });
    const pairs = noise(WIDTH * HEIGHT * 2, 5);
    const both = await decodeBytes(await rawImage(pairs, WIDTH, HEIGHT, 2).png().toBuffer());
    expect(both.pixels).toEqual({ width: WIDTH, height: HEIGHT, channels: 1, data: plane(pairs, 0, 2) });
    expect(both.alpha).toEqual({ width: WIDTH, height: HEIGHT, channels: 1, data: plane(pairs, 1, 2) });
  });

  it('alpha is a plane of its own, and only if something shows through', async () => {
    const clear = await decodeBytes(await rawImage(rgba, WIDTH, HEIGHT, 4).png().toBuffer());
    expect(clear.pixels.data).toEqual(withoutAlpha(rgba));
    expect(clear.alpha?.data).toEqual(plane(rgba, 3, 4));
    const opaque = rgba.map((value, i) => (i % 4 === 3 ? 255 : value));
    const solid = await decodeBytes(await rawImage(opaque, WIDTH, HEIGHT, 4).png().toBuffer());
    expect(solid.pixels.data).toEqual(withoutAlpha(rgba));
    expect(solid.alpha).toBeUndefined();
  });

  it.each(['png', 'tiff'] as const)('16 bits of %s arrive whole', async (format) => {
    const deep = Uint16Array.from({ length: WIDTH * HEIGHT * 3 }, (_, i) => (i * 7919) % 65536);
    const options = format === 'tiff' ? { compression: 'none' as const } : {};
    const file = await rawImage(deep, WIDTH, HEIGHT, 3).toColourspace('rgb16')[format](options).toBuffer();
    expect((await decodeBytes(file)).pixels).toEqual({ width: WIDTH, height: HEIGHT, channels: 3, data: deep });
  });

  it('16-bit grey and 16-bit alpha', async () => {
    const deep = Uint16Array.from({ length: WIDTH * HEIGHT * 2 }, (_, i) => (i * 7919) % 65536);
    const file = await rawImage(deep, WIDTH, HEIGHT, 2).toColourspace('grey16').png().toBuffer();
    const { pixels, alpha } = await decodeBytes(file);
    expect(pixels.data).toEqual(plane(deep, 0, 2));
    expect(alpha?.data).toEqual(plane(deep, 1, 2));
  });

  it('palette becomes RGB, one bit becomes grey', async () => {
    const few = rgb.map((value) => (value > 127 ? 255 : 0));
    const palette = await decodeBytes(
      await rawImage(few, WIDTH, HEIGHT, 3).png({ palette: true, colours: 8, dither: 0 }).toBuffer(),
    );
    expect(palette.pixels).toEqual({ width: WIDTH, height: HEIGHT, channels: 3, data: few });
    const ink = grey.map((value) => (value > 127 ? 255 : 0));
    const bits = await rawImage(ink, WIDTH, HEIGHT, 1).tiff({ bitdepth: 1, compression: 'none' }).toBuffer();
    expect((await decodeBytes(bits)).pixels).toEqual({ width: WIDTH, height: HEIGHT, channels: 1, data: ink });
  });

  it('floating point is refused', async () => {
    const file = await rawImage(rgb, WIDTH, HEIGHT, 3).toColourspace('scrgb').tiff({ compression: 'lzw' }).toBuffer();
    await expect(decodeBytes(file)).rejects.toMatchObject({
      code: 'unsupported-media-type',
      message: expect.stringMatching(/32 bits a sample \(floating point\) in RGB/),
    });
  });

  it.each(['1×1', '1×2000', '2000×1'])('%s', async (size) => {
    const [width, height] = size.split('×').map(Number) as [number, number];
    const data = noise(width * height * 3);
    const { pixels } = await decodeBytes(await rawImage(data, width, height, 3).png().toBuffer());
    expect(pixels).toEqual({ width, height, channels: 3, data });
  });
});

describe('several pictures in one file', () => {
  it.each(['gif', 'webp', 'tiff'] as const)('%s: the first, with a note', async (format) => {
    const colours = [
      [255, 0, 0],
      [0, 0, 255],
    ].map((colour) => new Uint8Array(24 * 40 * 3).map((_, i) => colour[i % 3]!));
    const pages = await Promise.all(colours.map((data) => rawImage(data, 24, 40, 3).png().toBuffer()));
    const options = format === 'webp' ? { lossless: true } : format === 'tiff' ? { compression: 'lzw' as const } : {};
    const file = await sharp(pages, { join: { animated: true } })
      [format](options)
      .toBuffer();
    const { pixels, notes } = await decodeBytes(file);
    expect(pixels).toEqual({ width: 24, height: 40, channels: 3, data: colours[0] });
    expect(notes.join()).toContain('2 frames or pages; the first');
  });

  it('animated PNG', async () => {
    const png = await rawImage(rgb, WIDTH, HEIGHT, 3).png().toBuffer();
    const { pixels, notes } = await decodeBytes(withPngChunk(png, 'acTL', Uint8Array.of(0, 0, 0, 12, 0, 0, 0, 0)));
    expect(pixels.data).toEqual(rgb);
    expect(notes.join()).toContain('12 frames');
  });
});

describe('metadata', () => {
  it('a density that no result can tell is left out with a note', async () => {
    const png = await rawImage(noise(3), 1, 1, 3).png().toBuffer();
    const huge = withPngChunk(png, 'pHYs', Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255, 1));
    const { metadata, notes } = await decodeBytes(huge);
    expect(metadata.density).toBeUndefined();
    expect(notes.join()).toMatch(/pixels an inch .* left out/);
  });

  it('finds EXIF, XMP, profile and density', async () => {
    const { metadata, notes } = await decodeImage(fixture('photos/06_landscape_denali.webp'), limits);
    expect(Buffer.from(metadata.exif!.subarray(0, 4)).toString('latin1')).toBe('II*\0');
    expect(Buffer.from(metadata.xmp!).toString()).toContain('<x:xmpmeta');
    expect(metadata.icc).toHaveLength(6922);
    expect(notes).toEqual([]);
    expect((await decodeImage(fixture('formats/exif_Landscape_2.jpg'), limits)).metadata.density).toBe(72);
  });

  it('damaged EXIF is left out with a note', async () => {
    const jpeg = await rawImage(rgb, WIDTH, HEIGHT, 3).jpeg().toBuffer();
    for (const exif of [noise(100), Buffer.from('II*\0\xff\xff\xff\xff', 'latin1')]) {
      const { pixels, metadata, notes } = await decodeBytes(withJpegExif(jpeg, exif));
      expect(pixels).toMatchObject({ width: WIDTH, height: HEIGHT });
      expect(metadata.exif).toBeUndefined();
      expect(notes.join()).toContain('EXIF data is damaged');
    }
  });
});

describe('refused', () => {
  const unreadable = (message: RegExp) => ({ code: 'image-unreadable', message: expect.stringMatching(message) });

  it.each(['jpeg', 'png', 'webp', 'tiff', 'avif'] as const)('%s cut anywhere in its second half', async (format) => {
    const options = format === 'tiff' ? { compression: 'jpeg' as const } : {};
    const file = await rawImage(noise(200 * 150 * 3), 200, 150, 3)
      [format](options)
      .toBuffer();
    // Of JPEG and PNG, a file that lacks but a few lines is taken: see damage.test.ts.
    for (const share of format === 'jpeg' || format === 'png' ? [0.5, 0.7, 0.9] : [0.5, 0.7, 0.9, 0.99]) {
      await expect(decodeBytes(file.subarray(0, Math.floor(file.length * share)))).rejects.toMatchObject(
        unreadable(new RegExp(`The ${format} (data|header) is damaged or cut off`)),
      );
    }
  });

  it('a picture that claims 50,000 × 50,000 pixels, before decoding', async () => {
    await expect(decodeBytes(await bombPng())).rejects.toMatchObject({
      code: 'image-too-large',
      message: expect.stringMatching(/50000×50000 = 2500000000 pixels; max_input_pixels is 134217728/),
    });
  });

  it('a picture of another size than its header says', async () => {
    const file = await readFile(fixture('photos/06_landscape_denali.webp'));
    file.writeUIntLE(600, 24, 3); // the canvas; the frame inside keeps its 600×315
    await expect(decodeBytes(file)).rejects.toMatchObject(unreadable(/webp/));
  });

  it('an empty file and a text', async () => {
    await expect(decodeBytes(new Uint8Array())).rejects.toMatchObject(unreadable(/0 bytes/));
    await expect(decodeBytes(Buffer.from('hello'))).rejects.toMatchObject({ code: 'unsupported-media-type' });
  });
});
