import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../../shared/error.ts';
import { readImageHeader } from '../../../shared/image-format.ts';
import { fixture, noise, rawImage, withPngChunk } from '../../support/sample-images.ts';

const landscape = { format: 'jpeg', width: 1800, height: 1200 };
const FILES: [string, object][] = [
  ['formats/8bit-sRGB.avif', { format: 'avif', width: 1617, height: 1080, orientation: 1 }],
  ['formats/exif-orientation-6-portrait.jpg', { format: 'jpeg', width: 840, height: 700, orientation: 6 }],
  ...[2, 3, 4, 5, 6, 7, 8].map((orientation): [string, object] => [
    `formats/exif_Landscape_${orientation}.jpg`,
    { ...landscape, orientation },
  ]),
  ['photos/06_landscape_denali.webp', { format: 'webp', width: 600, height: 315, orientation: 1 }],
  ['photos/11_lowlight_sign.png', { format: 'png', width: 576, height: 576, orientation: 1 }],
];

function refusal(bytes: Uint8Array): { code: string; message: string } {
  try {
    readImageHeader(bytes);
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('was accepted');
}

const text = (value: string) => Buffer.from(value, 'latin1');

describe('readImageHeader', () => {
  it.each(FILES)('%s', async (file, expected) => {
    expect(readImageHeader(await readFile(fixture(file)))).toEqual(expected);
  });

  it.each(['jpeg', 'png', 'webp', 'avif', 'tiff'] as const)(
    '%s: size as it is seen for all orientations',
    async (format) => {
      for (let orientation = 1; orientation <= 8; orientation++) {
        const file = await rawImage(noise(30 * 20 * 3), 30, 20, 3)
          .withMetadata({ orientation })
          [format]()
          .toBuffer();
        const { data, info } = await sharp(file).autoOrient().raw().toBuffer({ resolveWithObject: true });
        expect(data.length).toBe(30 * 20 * 3);
        expect(readImageHeader(file)).toMatchObject({ format, width: info.width, height: info.height });
      }
    },
  );

  it.each([
    ['lossy', {}],
    ['lossless', { lossless: true }],
  ])('WebP %s without metadata', async (_name, options) => {
    const file = await rawImage(noise(301 * 7 * 3), 301, 7, 3)
      .webp(options)
      .toBuffer();
    expect(readImageHeader(file)).toEqual({ format: 'webp', width: 301, height: 7, orientation: 1 });
  });

  it('GIF', async () => {
    const file = await rawImage(noise(13 * 700 * 3), 13, 700, 3)
      .gif()
      .toBuffer();
    expect(readImageHeader(file)).toEqual({ format: 'gif', width: 13, height: 700, orientation: 1 });
  });

  it('reads the size of a TIFF whose directory is followed by other data', async () => {
    const page = await rawImage(noise(24 * 40 * 3), 24, 40, 3)
      .png()
      .toBuffer();
    const file = await sharp([page, page], { join: { animated: true } })
      .tiff({ compression: 'lzw' })
      .toBuffer();
    expect(readImageHeader(file)).toEqual({ format: 'tiff', width: 24, height: 40, orientation: 1 });
  });

  it.each<[string, Uint8Array, string, RegExp]>([
    ['empty', new Uint8Array(), 'image-unreadable', /empty \(0 bytes\)/],
    ['text', text('Dear sir or madam'), 'unsupported-media-type', /accepted are jpeg, png/],
    ['SVG', text('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'unsupported-media-type', /SVG/],
    ['PDF', text('%PDF-1.7\n'), 'unsupported-media-type', /PDF/],
    ['BMP', text('BM\0\0\0\0'), 'unsupported-media-type', /BMP/],
    ['BigTIFF', text('II+\0\x08\0\0\0'), 'unsupported-media-type', /BigTIFF/],
    ['JPEG without a frame', text('\xff\xd8\xff\xd9'), 'image-unreadable', /jpeg header.*4 bytes/],
    ['PNG cut in IHDR', text('\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0'), 'image-unreadable', /png header.*18 bytes/],
    ['WebP with another chunk first', text('RIFF\0\0\0\0WEBPJUNK'), 'image-unreadable', /webp header/],
    ['AVIF without boxes', text('\0\0\0\x10ftypavif\0\0\0\0'), 'image-unreadable', /avif header/],
    ['TIFF whose directory is outside', text('II*\0\xff\xff\xff\x7f'), 'image-unreadable', /tiff header/],
    ['GIF of no width', text('GIF89a\0\0\x05\0'), 'image-unreadable', /0×5/],
  ])('refuses %s', (_name, bytes, code, message) => {
    const refused = refusal(bytes);
    expect(refused.code).toBe(code);
    expect(refused.message).toMatch(message);
  });

  it('refuses HEIC with a way out', async () => {
    const refused = refusal(await readFile(fixture('formats/iphone7.heic')));
    expect(refused.code).toBe('unsupported-media-type');
    expect(refused.message).toMatch(/HEIC.*Most Compatible/);
  });

  it('refuses HDR in AVIF and PNG', async () => {
    expect(refusal(await readFile(fixture('formats/10bit-HDR-P3-nclx.avif')))).toMatchObject({
      code: 'hdr-unsupported',
      message: expect.stringContaining('PQ'),
    });
    const png = await rawImage(noise(3), 1, 1, 3).png().toBuffer();
    expect(refusal(withPngChunk(png, 'cICP', Uint8Array.of(9, 18, 0, 1))).message).toContain('HLG');
    expect(readImageHeader(withPngChunk(png, 'cICP', Uint8Array.of(1, 13, 0, 1))).format).toBe('png');
  });

  it('answers or refuses any bytes', async () => {
    const exif = { orientation: 6 };
    const small = rawImage(noise(9 * 5 * 3), 9, 5, 3).withMetadata(exif);
    const files = await Promise.all(
      (['jpeg', 'png', 'webp', 'avif', 'tiff', 'gif'] as const).map((format) => small.clone()[format]().toBuffer()),
    );
    const edits = fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { maxLength: 8 });
    fc.assert(
      fc.property(fc.constantFrom(...files), edits, fc.nat(4000), (file, changes, cut) => {
        const bytes = Uint8Array.from(file.subarray(0, cut));
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        try {
          expect(readImageHeader(bytes).width).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }),
      { numRuns: 3000, seed: 7 },
    );
  });

  it('walks 16 MB of empty chunks in under a second', () => {
    const bytes = new Uint8Array(16 << 20);
    bytes.set(text('\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x01\0\0\0\x01'));
    const start = process.cpuUsage();
    expect(readImageHeader(bytes)).toMatchObject({ width: 1, height: 1 });
    expect(process.cpuUsage(start).user).toBeLessThan(1_000_000);
  });
});
