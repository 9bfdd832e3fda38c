import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../../gpu-worker/images/decode.ts';
import { encodeImage } from '../../gpu-worker/images/encode.ts';
import type { EncodeOptions, Metadata, Pixels } from '../../gpu-worker/images/image.ts';
import { OUTPUT_FORMATS } from '../../shared/image-format.ts';
import { withoutExifPrefix } from '../../shared/image-header.ts';
import { openTiff, readDirectory, readNumber } from '../../shared/tiff.ts';
import {
  adobeRgbProfile,
  decodeBytes,
  displayP3Profile,
  fixture,
  limits,
  noise,
  rawImage,
} from '../support/sample-images.ts';

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'images-'));
});
afterAll(() => rm(folder, { recursive: true }));

const image = (width: number, height: number, channels: 1 | 3, seed = 1): Pixels => ({
  width,
  height,
  channels,
  data: noise(width * height * channels, seed),
});

/** The file as bytes: libvips remembers by path what it has read. */
async function encode(
  pixels: Pixels,
  options: Partial<EncodeOptions> = {},
  { alpha, metadata = {} }: { alpha?: Pixels; metadata?: Metadata } = {},
) {
  const path = join(folder, `${files++}`);
  const { width, height } = pixels;
  const all: EncodeOptions = { format: 'png', quality: 90, metadata: 'keep', width, height, ...options };
  const { bytes, notes } = await encodeImage(path, pixels, alpha, metadata, all);
  const file = await readFile(path);
  expect(bytes).toBe(file.length);
  return { file, notes, found: await sharp(file).metadata(), decoded: await decodeImage(path, limits) };
}

const photo = (name: string) => decodeImage(fixture(name), limits);

function exifNumbers(exif: Uint8Array) {
  const tiff = openTiff(withoutExifPrefix(exif))!;
  const main = readDirectory(tiff, tiff.firstDirectory)!;
  const camera = readDirectory(tiff, readNumber(tiff, main, 0x8769)!)!;
  return {
    orientation: readNumber(tiff, main, 0x0112),
    size: [readNumber(tiff, camera, 0xa002), readNumber(tiff, camera, 0xa003)],
    hasGps: main.entries.some(({ tag }) => tag === 0x8825),
    hasThumbnail: tiff.view.getUint32(main.nextLink) !== 0,
  };
}

function densityOf(exif: Uint8Array): number {
  const tiff = openTiff(withoutExifPrefix(exif))!;
  const entry = readDirectory(tiff, tiff.firstDirectory)!.entries.find(({ tag }) => tag === 0x011a)!;
  const number = (offset: number) => tiff.view.getUint32(offset, tiff.littleEndian);
  return number(entry.valueOffset) / number(entry.valueOffset + 4);
}

describe('pixels', () => {
  it.each([1, 3] as const)('PNG with %d channels is lossless, with and without alpha', async (channels) => {
    const pixels = image(37, 23, channels);
    expect((await encode(pixels)).decoded.pixels).toEqual(pixels);
    const alpha = image(37, 23, 1, 9);
    const { decoded } = await encode(pixels, {}, { alpha });
    expect(decoded.pixels).toEqual(pixels);
    expect(decoded.alpha).toEqual(alpha);
  });

  it.each([
    ['png', 1],
    ['jpeg', 1],
    ['webp', 3],
    ['avif', 3],
  ] as const)('grey in %s has %d channels and stays grey', async (format, channels) => {
    const { decoded } = await encode({ ...image(32, 32, 1), data: new Uint8Array(1024).fill(90) }, { format });
    expect(decoded.pixels.channels).toBe(channels);
    for (const value of decoded.pixels.data) expect(Math.abs(value - 90)).toBeLessThanOrEqual(1);
  });

  it.each(['webp', 'avif'] as const)('%s keeps alpha', async (format) => {
    const alpha: Pixels = {
      ...image(32, 32, 1),
      data: Uint8Array.from({ length: 1024 }, (_, i) => (i < 512 ? 0 : 255)),
    };
    const { found, decoded } = await encode(image(32, 32, 3), { format }, { alpha });
    expect(found.hasAlpha).toBe(true);
    expect(decoded.alpha?.data[0]).toBe(0);
    expect(decoded.alpha?.data[1023]).toBe(255);
  });

  it('JPEG puts transparency on white and says so', async () => {
    const black: Pixels = { width: 16, height: 16, channels: 3, data: new Uint8Array(768) };
    const alpha: Pixels = { width: 16, height: 16, channels: 1, data: new Uint8Array(256).fill(64) };
    const { decoded, notes } = await encode(black, { format: 'jpeg' }, { alpha });
    expect(notes.join()).toContain('white');
    for (const value of decoded.pixels.data) expect(Math.abs(value - 191)).toBeLessThanOrEqual(1);
  });

  it('resamples pixels and alpha to the exact size with Lanczos 3, without colour conversion', async () => {
    const { pixels } = await photo('photos/11_lowlight_sign.png');
    const alpha = image(pixels.width, pixels.height, 1);
    const metadata = { icc: await displayP3Profile() };
    const { decoded } = await encode(pixels, { width: 333, height: 701 }, { alpha, metadata });
    const expected = await rawImage(pixels.data, pixels.width, pixels.height, 3)
      .resize(333, 701, { fit: 'fill', kernel: 'lanczos3' })
      .raw()
      .toBuffer();
    expect(decoded.pixels).toMatchObject({ width: 333, height: 701, channels: 3 });
    expect(decoded.pixels.data).toEqual(new Uint8Array(expected));
    expect(decoded.alpha).toMatchObject({ width: 333, height: 701 });
  });

  it.each([
    [1, 1],
    [1, 2000],
  ])('%d×%d in every format', async (width, height) => {
    for (const format of OUTPUT_FORMATS) {
      const { decoded } = await encode(image(width, height, 3), { format });
      expect(decoded.pixels).toMatchObject({ width, height });
    }
  });

  it('refuses 16-bit samples', async () => {
    const deep: Pixels = { width: 2, height: 2, channels: 1, data: new Uint16Array(4) };
    await expect(encode(deep)).rejects.toThrow(/8-bit samples/);
  });

  it.each(OUTPUT_FORMATS)('%s: the same input gives the same bytes', async (format) => {
    const { pixels, metadata } = await photo('photos/06_landscape_denali.webp');
    const [first, second] = [
      await encode(pixels, { format }, { metadata }),
      await encode(pixels, { format }, { metadata }),
    ];
    expect(first.file.equals(second.file)).toBe(true);
  });

  it('quality changes the size', async () => {
    const { pixels } = await photo('photos/11_lowlight_sign.png');
    for (const format of ['jpeg', 'webp', 'avif'] as const) {
      const low = await encode(pixels, { format, quality: 30 });
      const high = await encode(pixels, { format, quality: 90 });
      expect(low.file.length).toBeLessThan(high.file.length / 2);
    }
  });
});

describe('profile', () => {
  it.each(OUTPUT_FORMATS)('%s: profile byte for byte, values unchanged, under every policy', async (format) => {
    const flat: Pixels = {
      width: 24,
      height: 24,
      channels: 3,
      data: new Uint8Array(1728).map((_, i) => [210, 90, 40][i % 3]!),
    };
    for (const icc of [await displayP3Profile(), adobeRgbProfile()]) {
      for (const metadata of ['keep', 'strip', 'strip_location'] as const) {
        const { decoded } = await encode(flat, { format, metadata }, { metadata: { icc } });
        expect(Buffer.compare(decoded.metadata.icc!, icc)).toBe(0);
        // Converted between these profiles and sRGB the values would move by 10 and more.
        decoded.pixels.data.forEach((value, i) => {
          expect(Math.abs(value - flat.data[i]!)).toBeLessThanOrEqual(format === 'png' ? 0 : 2);
        });
      }
    }
  });

  it('leaves a grey profile out where the format stores colour, and says so', async () => {
    const icc = Buffer.from(adobeRgbProfile());
    icc.write('GRAY', 16, 'latin1');
    const grey = image(8, 8, 1);
    expect((await encode(grey, {}, { metadata: { icc } })).decoded.metadata.icc).toEqual(icc);
    const webp = await encode(grey, { format: 'webp' }, { metadata: { icc } });
    expect(webp.found.icc).toBeUndefined();
    expect(webp.notes.join()).toContain('grey profile was left out');
  });
});

describe('metadata', () => {
  it.each(OUTPUT_FORMATS)('%s: kept, with the new size', async (format) => {
    const { pixels, metadata } = await photo('photos/06_landscape_denali.webp');
    const { found, decoded, notes } = await encode(pixels, { format, width: 1200, height: 630 }, { metadata });
    expect(notes).toEqual([]);
    expect(exifNumbers(found.exif!)).toEqual({
      orientation: 1,
      size: [1200, 630],
      hasGps: false,
      hasThumbnail: false,
    });
    const text = found.exif!.toString('latin1');
    for (const kept of ['Canon EOS 7D', 'EF28-80mm f/3.5-5.6 USM', 'NPS / David Restivo', '2010:08:13 21:00:01']) {
      expect(text).toContain(kept);
    }
    expect(Buffer.from(decoded.metadata.xmp!).toString()).toContain('<x:xmpmeta');
    expect(Buffer.compare(decoded.metadata.icc!, metadata.icc!)).toBe(0);
  });

  it.each(OUTPUT_FORMATS)('%s: strip takes all but the profile', async (format) => {
    const { pixels, metadata } = await photo('photos/06_landscape_denali.webp');
    const { file, found } = await encode(pixels, { format, metadata: 'strip' }, { metadata });
    expect(found.exif).toBeUndefined();
    expect(found.xmp).toBeUndefined();
    expect(found.icc).toBeDefined();
    expect(file.toString('latin1')).not.toMatch(/Canon|Restivo/);
  });

  it.each(OUTPUT_FORMATS)('%s: strip_location takes GPS and places, and keeps the rest', async (format) => {
    const jpeg = await rawImage(noise(3072), 32, 32, 3)
      .withExif({
        IFD0: { Model: 'SNAPMATE', Orientation: '1' },
        IFD2: { PixelXDimension: '32', PixelYDimension: '32' },
        IFD3: {
          GPSLatitudeRef: 'N',
          GPSLatitude: '41/1 53/1 24/1',
          GPSAreaInformation: 'ROMA',
          GPSDateStamp: '2024:05:01',
        },
      })
      .withXmp(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
          '<rdf:Description xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:City="ROMA"/></rdf:RDF></x:xmpmeta>',
      )
      .jpeg()
      .toBuffer();
    expect(exifNumbers((await sharp(jpeg).metadata()).exif!).hasGps).toBe(true);
    const { pixels, metadata } = await decodeBytes(jpeg);

    const kept = await encode(pixels, { format }, { metadata });
    expect(exifNumbers(kept.found.exif!).hasGps).toBe(true);
    expect(kept.found.xmpAsString).toContain('ROMA');

    const stripped = await encode(pixels, { format, metadata: 'strip_location' }, { metadata });
    expect(exifNumbers(stripped.found.exif!)).toMatchObject({ hasGps: false, orientation: 1, size: [32, 32] });
    expect(stripped.found.exif!.toString('latin1')).toContain('SNAPMATE');
    expect(stripped.found.xmp).toBeUndefined();
    expect(stripped.file.toString('latin1')).not.toMatch(/ROMA|2024:05:01/);
    expect(stripped.notes.join()).toContain('names a place');
  });

  it.each(OUTPUT_FORMATS)('%s: a photo turned upright says orientation 1 and its new size', async (format) => {
    const { pixels, metadata } = await photo('formats/exif_Landscape_6.jpg');
    const { found, decoded } = await encode(pixels, { format, width: 90, height: 60 }, { metadata });
    expect(exifNumbers(found.exif!)).toMatchObject({ orientation: 1, size: [90, 60] });
    expect(decoded.pixels).toMatchObject({ width: 90, height: 60 });
  });

  it('writes the density where the format has a place for it', async () => {
    for (const format of ['png', 'jpeg'] as const) {
      expect((await encode(image(8, 8, 3), { format }, { metadata: { density: 300 } })).found.density).toBe(300);
    }
    for (const format of ['webp', 'avif'] as const) {
      const { found } = await encode(image(8, 8, 3), { format }, { metadata: { density: 300 } });
      expect(densityOf(found.exif!)).toBeCloseTo(300, 2);
    }
    const { metadata, pixels } = await photo('formats/exif_Landscape_6.jpg');
    const { found } = await encode(pixels, { format: 'jpeg' }, { metadata: { ...metadata, density: 240 } });
    expect(found.density).toBe(240);
  });

  it('EXIF that cannot be kept costs a note, not the job', async () => {
    const { found, notes } = await encode(image(8, 8, 3), { format: 'jpeg' }, { metadata: { exif: noise(500) } });
    expect(found.exif).toBeUndefined();
    expect(notes.join()).toContain('could not be kept');
  });

  it('adds nothing to a photo without metadata', async () => {
    for (const format of OUTPUT_FORMATS) {
      const { found } = await encode(image(8, 8, 3), { format });
      expect([found.exif, found.xmp, found.icc]).toEqual([undefined, undefined, undefined]);
    }
  });

  describe('how the picture was made', () => {
    const TYPE = 'http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced';
    const packet = (inner: string) =>
      new TextEncoder().encode(
        `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">${inner}</rdf:RDF></x:xmpmeta>`,
      );
    const iptc = 'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"';
    const sourcesIn = (xmp: string | undefined) => xmp?.match(/digitalsourcetype\/\w+/g) ?? [];

    it.each(OUTPUT_FORMATS)('%s: is written where there was no XMP', async (format) => {
      const { found } = await encode(image(8, 8, 3), { format, source: 'algorithmicallyEnhanced' });
      expect(found.xmpAsString).toContain(`<Iptc4xmpExt:DigitalSourceType>${TYPE}</Iptc4xmpExt:DigitalSourceType>`);
    });

    it('takes the place of what the photo said, as attribute or element, and leaves the rest', async () => {
      for (const old of [
        `<rdf:Description ${iptc} Iptc4xmpExt:DigitalSourceType="x/digitalsourcetype/digitalCapture" Iptc4xmpExt:Event="Fair"/>`,
        `<rdf:Description ${iptc}><Iptc4xmpExt:DigitalSourceType>x/digitalsourcetype/digitalCapture</Iptc4xmpExt:DigitalSourceType><Iptc4xmpExt:Event>Fair</Iptc4xmpExt:Event></rdf:Description>`,
      ]) {
        const metadata = { xmp: packet(old) };
        const { found } = await encode(image(8, 8, 3), { source: 'algorithmicallyEnhanced' }, { metadata });
        expect(sourcesIn(found.xmpAsString)).toEqual(['digitalsourcetype/algorithmicallyEnhanced']);
        expect(found.xmpAsString).toContain('Fair');
      }
    });

    it('is written where the XMP had to go for its place, and not where metadata is stripped', async () => {
      const metadata = { xmp: packet('<rdf:Description xmlns:photoshop="p" photoshop:City="ROMA"/>') };
      const source = 'algorithmicallyEnhanced';
      const placeless = await encode(image(8, 8, 3), { source, metadata: 'strip_location' }, { metadata });
      expect(placeless.found.xmpAsString).toContain(TYPE);
      expect(placeless.found.xmpAsString).not.toContain('ROMA');
      const stripped = await encode(image(8, 8, 3), { source, metadata: 'strip' }, { metadata });
      expect(stripped.found.xmp).toBeUndefined();
    });
  });
});
