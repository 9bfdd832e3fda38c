import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeImage } from '../../../../gpu-worker/images/decode.ts';
import { encodeImage } from '../../../../gpu-worker/images/encode.ts';
import type { EncodeOptions, Metadata, Pixels } from '../../../../gpu-worker/images/image.ts';
import { withoutExifPrefix } from '../../../../shared/image-header.ts';
import { OUTPUT_FORMATS } from '../../../../shared/output-format.ts';
import { openTiff, readDirectory, readNumber, type Tiff } from '../../../../shared/tiff.ts';
import {
  adobeRgbProfile,
  decodeBytes,
  displayP3Profile,
  fixture,
  limits,
  noise,
  rawImage,
} from '../../../support/sample-images.ts';

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

/** The file as bytes: libvips remembers files by path. */
async function encode(
  pixels: Pixels,
  options: Partial<EncodeOptions> = {},
  { alpha, metadata = {} }: { alpha?: Pixels; metadata?: Metadata } = {},
) {
  const path = join(folder, `${files++}`);
  const all: EncodeOptions = { format: 'png', quality: 90, metadata: 'keep', ...options };
  const { bytes, notes } = await encodeImage(path, pixels, alpha, metadata, all);
  const file = await readFile(path);
  expect(bytes).toBe(file.length);
  const found = await sharp(file).metadata();
  return { file, notes, found, exif: exifIn(file, found.exif), decoded: await decodeImage(path, limits) };
}

/** A TIFF file is its own EXIF block, which libvips does not read: where it has camera, date or links to more. */
function exifIn(file: Buffer, found: Buffer | undefined): Buffer | undefined {
  const tiff = openTiff(file);
  if (!tiff) return found;
  const tags = readDirectory(tiff, tiff.firstDirectory)!.entries.map(({ tag }) => tag);
  return tags.some((tag) => [0x010f, 0x0110, 0x0132, 0x8769, 0x8825].includes(tag)) ? file : undefined;
}

const deepImage = (width: number, height: number, channels: 1 | 3, seed = 1): Pixels => {
  const bytes = noise(2 * width * height * channels, seed);
  return { width, height, channels, data: new Uint16Array(bytes.buffer, 0, width * height * channels) };
};

const photo = (name: string) => decodeImage(fixture(name), limits);

function exifNumbers(exif: Uint8Array) {
  const tiff = openTiff(withoutExifPrefix(exif))!;
  const main = readDirectory(tiff, tiff.firstDirectory)!;
  const camera = readDirectory(tiff, readNumber(tiff, main, 0x8769) ?? 0);
  return {
    orientation: readNumber(tiff, main, 0x0112),
    size: camera
      ? [readNumber(tiff, camera, 0xa002), readNumber(tiff, camera, 0xa003)]
      : [readNumber(tiff, main, 0x0100), readNumber(tiff, main, 0x0101)],
    hasGps: main.entries.some(({ tag }) => tag === 0x8825),
    hasThumbnail: tiff.view.getUint32(main.nextLink) !== 0,
  };
}

/** The block as a camera with the other byte order would have written it; of directories up to two links deep. */
function bigEndian(exif: Uint8Array): Buffer {
  const swapped = Buffer.from(exif);
  const tiff = openTiff(exif)!;
  const widths = [0, 1, 1, 2, 4, 4, 1, 1, 2, 4, 4, 4, 8];
  const swap = (at: number, width: number) => swapped.subarray(at, at + width).reverse();
  const swapDirectory = (offset: number) => {
    const { entries, nextLink } = readDirectory(tiff, offset)!;
    swap(offset, 2);
    for (const { tag, type, offset: at, valueOffset, valueBytes } of entries) {
      for (const [from, width] of [
        [0, 2],
        [2, 2],
        [4, 4],
      ] as const)
        swap(at + from, width);
      for (let byte = 0; byte < valueBytes; byte += widths[type]!) swap(valueOffset + byte, widths[type]!);
      if (valueOffset !== at + 8) swap(at + 8, 4);
      if (tag === 0x8769 || tag === 0x8825) swapDirectory(tiff.view.getUint32(at + 8, true));
    }
    swap(nextLink, 4);
  };
  swapDirectory(tiff.firstDirectory);
  swapped.write('MM\0*', 0, 'latin1');
  swap(4, 4);
  return swapped;
}

function densityOf(exif: Uint8Array): number {
  const tiff = openTiff(withoutExifPrefix(exif))!;
  const entry = readDirectory(tiff, tiff.firstDirectory)!.entries.find(({ tag }) => tag === 0x011a)!;
  const number = (offset: number) => tiff.view.getUint32(offset, tiff.littleEndian);
  return number(entry.valueOffset) / number(entry.valueOffset + 4);
}

describe('pixels', () => {
  it.each(['png', 'tiff'] as const)('%s is lossless, in gray and in color, with and without alpha', async (format) => {
    for (const channels of [1, 3] as const) {
      const pixels = image(37, 23, channels);
      expect((await encode(pixels, { format })).decoded.pixels).toEqual(pixels);
      const alpha = image(37, 23, 1, 9);
      const { decoded } = await encode(pixels, { format }, { alpha });
      expect(decoded.pixels).toEqual(pixels);
      expect(decoded.alpha).toEqual(alpha);
    }
  });

  it.each([
    ['png', 1],
    ['jpeg', 1],
    ['webp', 3],
    ['avif', 3],
    ['tiff', 1],
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

  it('brings alpha to the size of the pixels, by a filter that draws no rings', async () => {
    const alpha: Pixels = { ...image(8, 6, 1), data: Uint8Array.from({ length: 48 }, (_, i) => (i % 8 < 4 ? 0 : 255)) };
    const { decoded } = await encode(image(32, 24, 3), {}, { alpha });
    expect(decoded.alpha).toMatchObject({ width: 32, height: 24 });
    const row = Array.from(decoded.alpha!.data.subarray(0, 32));
    expect(row).toEqual(row.toSorted((a, b) => a - b));
    expect([row[0], row[31]]).toEqual([0, 255]);
  });

  it.each(['png', 'tiff'] as const)('%s holds 16 bits: gray and color, with alpha of either depth', async (format) => {
    for (const channels of [1, 3] as const) {
      const pixels = deepImage(37, 23, channels);
      const plain = await encode(pixels, { format });
      expect(plain.decoded.pixels).toEqual(pixels);
      expect([plain.found.depth, plain.found.channels]).toEqual(['ushort', channels]);
      for (const alpha of [image(37, 23, 1, 9), deepImage(37, 23, 1, 9)]) {
        const { file, found, decoded } = await encode(pixels, { format }, { alpha });
        expect([found.depth, found.hasAlpha, found.channels]).toEqual(['ushort', true, channels + 1]);
        expect(decoded.pixels).toEqual(pixels);
        const space = channels === 1 ? 'grey16' : 'rgb16';
        const raw = await sharp(file).toColourspace(space).extractChannel('alpha').raw({ depth: 'ushort' }).toBuffer();
        const unit = alpha.data instanceof Uint16Array ? 1 : 257;
        const expected = Array.from(alpha.data, (value) => value * unit);
        expect(Array.from(new Uint16Array(raw.buffer, raw.byteOffset, raw.length / 2))).toEqual(expected);
      }
    }
  });

  it('16 bits with profile, camera data and density', async () => {
    const { metadata } = await photo('photos/06_landscape_denali.webp');
    for (const format of ['png', 'tiff'] as const) {
      const more = { metadata: { ...metadata, density: 300 } };
      const { exif, found, decoded, notes } = await encode(deepImage(40, 30, 3), { format }, more);
      expect(notes).toEqual([]);
      expect(exifNumbers(exif!)).toMatchObject({ orientation: 1, size: [40, 30] });
      expect([found.density, found.depth]).toEqual([300, 'ushort']);
      expect(Buffer.compare(decoded.metadata.icc!, metadata.icc!)).toBe(0);
      expect(decoded.pixels).toEqual(deepImage(40, 30, 3));
    }
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

  it.each(['jpeg', 'webp', 'avif'] as const)('%s takes no 16-bit samples', async (format) => {
    await expect(encode(deepImage(2, 2, 1), { format })).rejects.toThrow(/no samples of 16 bits/);
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
          expect(Math.abs(value - flat.data[i]!)).toBeLessThanOrEqual(format === 'png' || format === 'tiff' ? 0 : 2);
        });
      }
    }
  });

  it('leaves a grey profile out where the format stores colour, and says so', async () => {
    const icc = Buffer.from(adobeRgbProfile());
    icc.write('GRAY', 16, 'latin1');
    const grey = image(8, 8, 1);
    for (const format of ['png', 'tiff'] as const) {
      expect((await encode(grey, { format }, { metadata: { icc } })).decoded.metadata.icc).toEqual(icc);
    }
    const webp = await encode(grey, { format: 'webp' }, { metadata: { icc } });
    expect(webp.found.icc).toBeUndefined();
    expect(webp.notes.join()).toContain('grey profile was left out');
  });
});

describe('metadata', () => {
  it.each(OUTPUT_FORMATS)('%s: kept, with the new size', async (format) => {
    const { metadata } = await photo('photos/06_landscape_denali.webp');
    const { exif, decoded, notes } = await encode(image(1200, 630, 3), { format }, { metadata });
    expect(notes).toEqual([]);
    expect(exifNumbers(exif!)).toEqual({
      orientation: 1,
      size: [1200, 630],
      hasGps: false,
      hasThumbnail: false,
    });
    const text = exif!.toString('latin1');
    for (const kept of ['Canon EOS 7D', 'EF28-80mm f/3.5-5.6 USM', 'NPS / David Restivo', '2010:08:13 21:00:01']) {
      expect(text).toContain(kept);
    }
    expect(Buffer.from(decoded.metadata.xmp!).toString()).toContain('<x:xmpmeta');
    expect(Buffer.compare(decoded.metadata.icc!, metadata.icc!)).toBe(0);
  });

  it.each(OUTPUT_FORMATS)('%s: strip takes all but the profile', async (format) => {
    const { pixels, metadata } = await photo('photos/06_landscape_denali.webp');
    const { file, found, exif } = await encode(pixels, { format, metadata: 'strip' }, { metadata });
    expect(exif).toBeUndefined();
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
    expect(exifNumbers(kept.exif!).hasGps).toBe(true);
    expect(kept.found.xmpAsString).toContain('ROMA');

    const stripped = await encode(pixels, { format, metadata: 'strip_location' }, { metadata });
    expect(exifNumbers(stripped.exif!)).toMatchObject({ hasGps: false, orientation: 1, size: [32, 32] });
    expect(stripped.exif!.toString('latin1')).toContain('SNAPMATE');
    expect(stripped.found.xmp).toBeUndefined();
    expect(stripped.file.toString('latin1')).not.toMatch(/ROMA|2024:05:01/);
    expect(stripped.notes.join()).toContain('names a place');
  });

  it.each(OUTPUT_FORMATS)('%s: a photo turned upright says orientation 1', async (format) => {
    const { metadata } = await photo('formats/exif_Landscape_6.jpg');
    const { file, exif, decoded } = await encode(image(90, 60, 3), { format }, { metadata });
    // The photo's EXIF has no size, the directory of a TIFF file has.
    const size = format === 'tiff' ? [90, 60] : [undefined, undefined];
    expect(exifNumbers(exif ?? file)).toMatchObject({ orientation: 1, size });
    expect(decoded.pixels).toMatchObject({ width: 90, height: 60 });
  });

  it('writes the density where the format has a place for it', async () => {
    for (const format of ['png', 'jpeg', 'tiff'] as const) {
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
      const { found, exif } = await encode(image(8, 8, 3), { format });
      expect([exif, found.xmp, found.icc]).toEqual([undefined, undefined, undefined]);
      if (format === 'tiff') expect([found.density, found.resolutionUnit]).toEqual([undefined, undefined]);
    }
  });

  describe('EXIF in TIFF', () => {
    /** Make, model, exposure, GPS and a maker's note, in either byte order; the thumbnail's directory comes second. */
    const exifOf = async (order: 'II' | 'MM') => {
      const jpeg = await rawImage(noise(3072), 32, 32, 3)
        .withExif({
          IFD0: { Make: 'Ponik', Model: 'Q', Compression: '6', Copyright: 'nobody' },
          IFD2: { ExposureTime: '1/250', ISOSpeedRatings: '400', FocalLength: '50/1', UserComment: 'a lake' },
          IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '41/1 53/1 24/1' },
        })
        .jpeg()
        .toBuffer();
      const { metadata } = await decodeBytes(jpeg);
      return order === 'II' ? metadata.exif! : bigEndian(metadata.exif!);
    };
    const tagsIn = (tiff: Tiff, offset: number) => readDirectory(tiff, offset)!.entries.map(({ tag }) => tag);

    it.each(['II', 'MM'] as const)('%s: is kept, with its directories, beside the picture', async (order) => {
      const { file, decoded } = await encode(
        image(8, 6, 3),
        { format: 'tiff' },
        { metadata: { exif: await exifOf(order) } },
      );
      expect(decoded.pixels).toEqual(image(8, 6, 3));
      const tiff = openTiff(file)!;
      const main = readDirectory(tiff, tiff.firstDirectory)!;
      const tags = main.entries.map(({ tag }) => tag);
      expect(tags).toEqual(tags.toSorted((a, b) => a - b));
      expect(new Set(tags).size).toBe(tags.length);
      expect(tags).toEqual(expect.arrayContaining([0x010f, 0x0110, 0x8298, 0x8769, 0x8825]));
      expect(readNumber(tiff, main, 0x0103)).toBe(8); // Deflate, not the JPEG of the photo
      const camera = readDirectory(tiff, readNumber(tiff, main, 0x8769)!)!;
      const exposure = camera.entries.find(({ tag }) => tag === 0x829a)!;
      expect([0, 4].map((at) => tiff.view.getUint32(exposure.valueOffset + at, true))).toEqual([1, 250]);
      expect(readNumber(tiff, camera, 0x8827)).toBe(400);
      expect(tagsIn(tiff, readNumber(tiff, main, 0x8825)!)).toEqual(expect.arrayContaining([1, 2]));
      expect(file.toString('latin1')).toContain('a lake');
    });

    it('entries that share one value make no large file', async () => {
      const exif = Buffer.from(await exifOf('II'));
      const tiff = openTiff(exif)!;
      // Each field of the camera becomes the whole block, again and again.
      const main = readDirectory(tiff, tiff.firstDirectory)!;
      const many = Buffer.alloc(60_000);
      many.set(exif);
      const at = exif.length + (exif.length % 2);
      const count = Math.floor((many.length - at - 6) / 12);
      many.writeUInt16LE(count, at);
      for (let index = 0; index < count; index++) {
        const entry = at + 2 + index * 12;
        many.writeUInt16LE(0xc000 + index, entry);
        many.writeUInt16LE(7, entry + 2);
        many.writeUInt32LE(50_000, entry + 4);
        many.writeUInt32LE(8, entry + 8);
      }
      const link = main.entries.find(({ tag }) => tag === 0x8769)!;
      many.writeUInt32LE(at, link.offset + 8);
      const { file, decoded } = await encode(image(8, 8, 3), { format: 'tiff' }, { metadata: { exif: many } });
      expect(file.length).toBeLessThan(2 ** 21);
      expect(decoded.pixels).toEqual(image(8, 8, 3));
    });

    it('damaged links and values are left out', async () => {
      const exif = Buffer.from(await exifOf('II'));
      const edits = fc.array(fc.tuple(fc.nat(exif.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(edits, async (changes) => {
          const damaged = Buffer.from(exif);
          for (const [at, value] of changes) damaged[at] = value;
          const { file, decoded } = await encode(image(4, 4, 1), { format: 'tiff' }, { metadata: { exif: damaged } });
          expect(decoded.pixels).toEqual(image(4, 4, 1));
          const tiff = openTiff(file)!;
          const tags = tagsIn(tiff, tiff.firstDirectory);
          expect(new Set(tags).size).toBe(tags.length);
        }),
        { numRuns: 40, seed: 3 },
      );
    });
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

    it('takes the place of the value in the photo, as attribute or element, and leaves the rest', async () => {
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
