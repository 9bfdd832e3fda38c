import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readImageHeader } from '../../../../shared/image-format.ts';
import { adobeRgbProfile, decodeBytes, noise, xmpPacket } from '../../../support/sample-images.ts';
import { type SampleDirectory, tiffFile } from '../../../support/tiff-sample.ts';

const [WIDTH, HEIGHT] = [40, 30];
const rgb = noise(WIDTH * HEIGHT * 3);
const photo: SampleDirectory = { width: WIDTH, height: HEIGHT, samples: rgb };
const small = (width = WIDTH / 4, height = HEIGHT / 4 + 0.5): SampleDirectory => ({
  width,
  height,
  samples: noise(width * height * 3, 9),
});
const reduced = (page: SampleDirectory): SampleDirectory => ({ ...page, more: [[254, 4, [1]]] });
const tint = (page: SampleDirectory, seed: number) => ({ ...page, samples: noise(page.samples.length, seed) });

/** Every n-th sample. */
const plane = (samples: Uint8Array, from: number, step: number) => samples.filter((_, i) => i % step === from);

describe('which picture is the photo', () => {
  it.each<[string, SampleDirectory[], RegExp | undefined]>([
    ['a thumbnail before it', [reduced(small()), photo], /begins with a smaller picture; the photo of 40×30/],
    ['a thumbnail that does not say so', [small(), photo], /begins with a smaller picture/],
    ['below a thumbnail', [{ ...reduced(small()), below: [photo] }], /begins with a smaller picture/],
    ['a thumbnail behind it', [photo, reduced(small())], undefined],
    ['a thumbnail below it', [{ ...photo, below: [reduced(small())] }], undefined],
    ['a pyramid that begins with the smallest', [reduced(small()), reduced(small(20, 15)), photo], /smaller picture/],
    ['a document', [photo, tint(photo, 3), tint(photo, 4)], /3 frames or pages; the first/],
    ['a document whose second page is larger', [photo, tint({ ...photo, ...size(200, 20) }, 3)], /2 frames or pages/],
    ['thumbnails of all pages', [reduced(small()), photo, reduced(small()), tint(photo, 4)], /smaller picture/],
    ['a mask before it', [{ ...small(), bits: [8], samples: noise(80), more: [[254, 4, [4]]] }, photo], /smaller/],
  ])('%s', async (_name, pages, note) => {
    const file = tiffFile(pages);
    expect(readImageHeader(file)).toMatchObject({ format: 'tiff', width: WIDTH, height: HEIGHT });
    const { pixels, notes } = await decodeBytes(file);
    expect(pixels).toEqual({ width: WIDTH, height: HEIGHT, channels: 3, data: rgb });
    if (note) expect(notes.join()).toMatch(note);
    else expect(notes).toEqual([]);
  });

  function size(width: number, height: number) {
    return { width, height, samples: noise(width * height * 3) };
  }

  it('the largest, if all are reduced', async () => {
    const { pixels, notes } = await decodeBytes(tiffFile([reduced(small()), reduced(photo)]));
    expect(pixels.data).toEqual(rgb);
    expect(notes.join()).toMatch(/reduced pictures only; the largest, of 40×30/);
  });

  it('is turned by its own orientation', async () => {
    const turned: SampleDirectory = { ...photo, more: [[274, 3, [6]]] };
    const file = tiffFile([reduced(small()), turned]);
    expect(readImageHeader(file)).toMatchObject({ width: HEIGHT, height: WIDTH, orientation: 6 });
    expect((await decodeBytes(file)).pixels).toMatchObject({ width: HEIGHT, height: WIDTH });
  });

  it('the metadata of its thumbnail holds for it, too', async () => {
    const xmp = Buffer.from(xmpPacket('', 'dc:source="attic"'));
    const icc = adobeRgbProfile();
    const thumbnail: SampleDirectory = {
      ...small(),
      more: [
        [254, 4, [1]],
        [271, 2, 'Snapmate'],
        [274, 3, [6]],
        [700, 1, xmp],
        [34675, 7, icc],
      ],
      below: [photo],
    };
    const file = tiffFile([thumbnail]);
    expect(readImageHeader(file)).toMatchObject({ width: HEIGHT, height: WIDTH, orientation: 6 });
    const { pixels, metadata } = await decodeBytes(file);
    expect([pixels.width, pixels.height]).toEqual([HEIGHT, WIDTH]);
    expect(Buffer.from(metadata.exif!).toString('latin1')).toContain('Snapmate');
    expect(Buffer.from(metadata.xmp!)).toEqual(xmp);
    expect(Buffer.from(metadata.icc!)).toEqual(icc);
  });

  it('a chain of directories that leads back, or to thousands, ends', () => {
    const file = tiffFile([photo, photo]);
    const [first] = [file.readUInt32LE(4)];
    const link = first + 2 + 12 * file.readUInt16LE(first);
    file.writeUInt32LE(first, link);
    expect(readImageHeader(file)).toMatchObject({ width: WIDTH, height: HEIGHT });
    const many = tiffFile([{ ...photo, below: Array(200).fill(reduced(small(4, 3))) }]);
    expect(readImageHeader(many)).toMatchObject({ width: WIDTH, height: HEIGHT });
  });
});

describe('samples that are read', () => {
  const gray = plane(rgb, 0, 3);
  const wide = (samples: Uint8Array) => new Uint8Array(Uint16Array.from(samples, (value) => value * 257).buffer);

  it.each<[string, SampleDirectory, { channels: 1 | 3; data: Uint8Array | Uint16Array }]>([
    ['big-endian RGB', photo, { channels: 3, data: rgb }],
    [
      'RGB in strips, deflated',
      { ...photo, compression: 8, strip: (rows) => deflateSync(rows), rowsPerStrip: 7 },
      { channels: 3, data: rgb },
    ],
    [
      '16 bits',
      { ...photo, bits: [16, 16, 16], samples: wide(rgb) },
      { channels: 3, data: Uint16Array.from(rgb, (value) => value * 257) },
    ],
    ['gray', { ...photo, bits: [8], photometric: 1, samples: gray }, { channels: 1, data: gray }],
    [
      'gray whose white is 0',
      { ...photo, bits: [8], photometric: 0, samples: gray.map((value) => 255 - value) },
      { channels: 1, data: gray },
    ],
    [
      '4 bits of gray',
      {
        ...photo,
        bits: [4],
        photometric: 1,
        samples: Uint8Array.from(
          { length: gray.length / 2 },
          (_, k) => (gray[2 * k]! & 0xf0) | (gray[2 * k + 1]! >> 4),
        ),
      },
      { channels: 1, data: gray.map((value) => (value >> 4) * 17) },
    ],
    [
      'a palette of 16 colors',
      {
        ...photo,
        bits: [4],
        photometric: 3,
        samples: new Uint8Array(gray.length / 2).fill(0x21),
        more: [[320, 3, [0, 1, 2].flatMap((c) => Array.from({ length: 16 }, (_, k) => 257 * (10 * k + c)))]],
      },
      {
        channels: 3,
        data: Uint8Array.from({ length: gray.length * 3 }, (_, k) => (Math.floor(k / 3) % 2 === 0 ? 20 : 10) + (k % 3)),
      },
    ],
  ])('%s', async (name, page, expected) => {
    const { pixels, notes } = await decodeBytes(tiffFile([page], { littleEndian: !name.startsWith('big') }));
    expect(pixels).toEqual({ width: WIDTH, height: HEIGHT, ...expected });
    expect(notes).toEqual([]);
  });

  it.each<[string, number[] | undefined, number, boolean]>([
    ['alpha', [2], 4, true],
    ['one without a meaning', [0], 4, false],
    ['one that a writer forgot to explain', undefined, 4, true],
    ['a selection, and then alpha', [0, 2], 5, true],
    ['two selections', [0, 0], 5, false],
  ])('a channel beside the colors: %s', async (_name, meanings, channels, hasAlpha) => {
    const samples = noise(WIDTH * HEIGHT * channels);
    const bits = Array<number>(channels).fill(8);
    const { pixels, alpha, notes } = await decodeBytes(
      tiffFile([{ ...photo, bits, samples, ...(meanings && { more: [[338, 3, meanings]] }) }]),
    );
    expect(pixels.data).toEqual(samples.filter((_, i) => i % channels < 3));
    expect(alpha?.data).toEqual(hasAlpha ? plane(samples, channels - 1, channels) : undefined);
    const left = channels - 3 - (hasAlpha ? 1 : 0);
    expect(notes.join()).toBe(
      left > 0 ? `Channels that are neither color nor transparency (${left}) were left out.` : '',
    );
  });

  it('gray with alpha', async () => {
    const samples = noise(WIDTH * HEIGHT * 2);
    const page: SampleDirectory = { ...photo, bits: [8, 8], photometric: 1, samples, more: [[338, 3, [2]]] };
    const { pixels, alpha } = await decodeBytes(tiffFile([page]));
    expect([pixels.data, alpha?.data]).toEqual([plane(samples, 0, 2), plane(samples, 1, 2)]);
  });
});

describe('samples that are not read are named', () => {
  it.each<[string, Partial<SampleDirectory>, RegExp]>([
    ['ZSTD', { compression: 50000 }, /compressed by ZSTD/],
    ['JPEG 2000', { compression: 34712 }, /compressed by JPEG 2000/],
    ['JPEG XL', { compression: 50002 }, /compressed by JPEG XL/],
    ['LERC', { compression: 34887 }, /compressed by LERC/],
    ['LZMA', { compression: 34925 }, /compressed by LZMA/],
    ['old-style JPEG', { compression: 6 }, /compressed by old-style JPEG/],
    ['a compression that nobody knows', { compression: 12345 }, /a method of its own \(number 12345\)/],
    ['YCbCr without JPEG', { photometric: 6 }, /YCbCr without JPEG/],
    ['CIELab of 8 bits', { photometric: 8 }, /8 bits a sample in CIELab/],
    ['ICCLab', { photometric: 9 }, /ICCLab/],
    ['LogLuv', { photometric: 32845 }, /LogLuv/],
    ['12 bits', { bits: [12, 12, 12] }, /12 bits a sample in RGB/],
    ['32 bits', { bits: [32, 32, 32] }, /32 bits a sample in RGB/],
    [
      'floating point',
      { bits: [32, 32, 32], more: [[339, 3, [3, 3, 3]]] },
      /32 bits a sample \(floating point\) in RGB/,
    ],
    ['half floats', { bits: [16, 16, 16], more: [[339, 3, [3, 3, 3]]] }, /16 bits a sample \(floating point\)/],
    ['signed integers', { more: [[339, 3, [2, 2, 2]]] }, /signed integers/],
    ['bits that differ', { bits: [5, 6, 5] }, /5, 6 bits/],
    ['other inks', { photometric: 5, bits: [8, 8, 8, 8], more: [[332, 3, [2]]] }, /other inks than CMYK/],
    ['a depth map', { photometric: 51177, bits: [8] }, /a depth map/],
  ])('%s', async (_name, change, expected) => {
    await expect(decodeBytes(tiffFile([{ ...photo, ...change }]))).rejects.toMatchObject({
      code: 'unsupported-media-type',
      message: expect.stringMatching(expected),
    });
  });
});
