import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { besideJpeg } from '../../../../gpu-worker/images/beside/jpeg.ts';
import { besidePng } from '../../../../gpu-worker/images/beside/png.ts';
import { encodeImage } from '../../../../gpu-worker/images/encode.ts';
import { patchExif } from '../../../../gpu-worker/images/exif.ts';
import type { DecodedImage, EncodeOptions } from '../../../../gpu-worker/images/image.ts';
import { resize } from '../../../../gpu-worker/images/resize.ts';
import { withoutExifPrefix } from '../../../../shared/image-header.ts';
import { jpegSegments } from '../../../../shared/jpeg-header.ts';
import { OUTPUT_FORMATS, type OutputFormat } from '../../../../shared/output-format.ts';
import { pngChunks } from '../../../../shared/png-header.ts';
import { entryOf, openTiff, readDirectory, readNumbers, readRational, readText } from '../../../../shared/tiff.ts';
import {
  decodeBytes,
  jpegSegment,
  noise,
  rawImage,
  withJpegExif,
  withJpegSegments,
  withPngChunk,
  xmpPacket,
  xmpSegment,
} from '../../../support/sample-images.ts';
import { tiffFile } from '../../../support/tiff-sample.ts';

/** The metadata beside the pixels: all that the photo said, and nothing that it did not say. */

let folder: string;
let files = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'metadata-'));
});
afterAll(() => rm(folder, { recursive: true }));

const [WIDTH, HEIGHT] = [40, 30];
const picture = () => rawImage(noise(WIDTH * HEIGHT * 3), WIDTH, HEIGHT, 3);
const plainJpeg = () => picture().jpeg().toBuffer();

/** libvips adds a density to all PNG files that it writes. */
async function plainPng(...chunks: [string, Uint8Array][]): Promise<Buffer> {
  const made = await picture().png().toBuffer();
  const at = made.indexOf('pHYs') - 4;
  let file: Buffer = Buffer.concat([made.subarray(0, at), made.subarray(at + 21)]);
  for (const [name, data] of chunks) file = withPngChunk(file, name, data);
  return file;
}

/** Twice as large. */
async function result(photo: DecodedImage, format: OutputFormat, options: Partial<EncodeOptions> = {}) {
  const path = join(folder, `${files++}`);
  const size = { width: 2 * photo.pixels.width, height: 2 * photo.pixels.height };
  const data = await resize(photo.pixels, size.width, size.height, 'cubic');
  const { density } = photo.metadata;
  const { notes } = await encodeImage(
    path,
    { ...photo.pixels, ...size, data },
    photo.alpha,
    { ...photo.metadata, ...(density !== undefined && { density: 2 * density }) },
    { format, quality: 90, metadata: 'keep', ...options },
  );
  const file = await readFile(path);
  return { file, notes, found: await sharp(file).metadata(), decoded: await decodeBytes(file) };
}

function exifOf(exif: Uint8Array) {
  const tiff = openTiff(withoutExifPrefix(exif))!;
  const main = readDirectory(tiff, tiff.firstDirectory)!;
  const link = readNumbers(tiff, entryOf(main, 0x8769))[0];
  const camera = link === undefined ? undefined : readDirectory(tiff, link);
  const entry = (tag: number) => entryOf(main, tag) ?? (camera && entryOf(camera, tag));
  return {
    tags: [...main.entries, ...(camera?.entries ?? [])].map(({ tag }) => tag),
    numbers: (tag: number) => readNumbers(tiff, entry(tag)),
    rational: (tag: number) => readRational(tiff, entry(tag)),
    text: (tag: number) => readText(tiff, entry(tag)),
  };
}

/** A block of one directory, and one for the camera, little endian. */
function exifBlock(main: [number, number, number, Buffer][], camera: [number, number, number, Buffer][] = []): Buffer {
  const linked = camera.length > 0;
  const counts = [main.length + (linked ? 1 : 0), camera.length];
  const cameraAt = 8 + 2 + 12 * counts[0]! + 4;
  let end = cameraAt + (linked ? 2 + 12 * counts[1]! + 4 : 0);
  const values: Buffer[] = [];
  const directory = (entries: [number, number, number, Buffer][]) => {
    const bytes = Buffer.alloc(2 + 12 * entries.length + 4);
    bytes.writeUInt16LE(entries.length, 0);
    for (const [k, [tag, type, count, value]] of entries.entries()) {
      bytes.writeUInt16LE(tag, 2 + 12 * k);
      bytes.writeUInt16LE(type, 4 + 12 * k);
      bytes.writeUInt32LE(count, 6 + 12 * k);
      if (value.length <= 4) bytes.set(value, 10 + 12 * k);
      else {
        bytes.writeUInt32LE(end, 10 + 12 * k);
        values.push(value);
        end += value.length;
      }
    }
    return bytes;
  };
  const link = Buffer.alloc(4);
  link.writeUInt32LE(cameraAt, 0);
  const first = directory(linked ? [...main, [0x8769, 4, 1, link]] : main);
  return Buffer.concat([
    Buffer.from('II*\0\x08\0\0\0', 'latin1'),
    first,
    ...(linked ? [directory(camera)] : []),
    ...values,
  ]);
}

const shorts = (...numbers: number[]) => Buffer.from(Uint16Array.from(numbers).buffer);
const rational = (over: number, under = 1) => Buffer.from(Uint32Array.from([over, under]).buffer);
const orientation = (value: number): [number, number, number, Buffer] => [0x0112, 3, 1, shorts(value)];
const make: [number, number, number, Buffer] = [0x010f, 2, 9, Buffer.from('Snapmate\0')];

describe('nothing is invented', () => {
  const sources: [string, () => Promise<Buffer>][] = [
    ['a JPEG file that says nothing', plainJpeg],
    ['a PNG file that says nothing', () => plainPng()],
    [
      'JFIF without a unit',
      async () =>
        withJpegSegments(await plainJpeg(), jpegSegment(0xe0, 'JFIF\0', Buffer.from([1, 2, 0, 0, 1, 0, 1, 0, 0]))),
    ],
  ];

  it.each(sources)('%s', async (_name, make) => {
    const photo = await decodeBytes(await make());
    expect(photo.metadata.density).toBeUndefined();
    const png = await result(photo, 'png');
    const chunks = [...pngChunks(png.file)].map(({ start }) => png.file.toString('latin1', start + 4, start + 8));
    expect([...new Set(chunks)]).toEqual(['IHDR', 'IDAT', 'IEND']);
    const jpeg = await result(photo, 'jpeg');
    expect([...jpegSegments(jpeg.file)].filter(({ marker }) => marker >= 0xe0)).toEqual([]);
    for (const format of ['webp', 'avif', 'tiff'] as const) {
      const { found, decoded } = await result(photo, format);
      expect([found.exif, found.xmp, found.icc, found.density]).toEqual([undefined, undefined, undefined, undefined]);
      expect(Object.keys(decoded.metadata)).toEqual(['placement']);
    }
  });

  it.each(OUTPUT_FORMATS)(
    "%s: EXIF is the photo's own block, byte for byte but for the changed tags",
    async (format) => {
      // Neither sizes nor a density nor a color space, and a tag that nobody knows.
      const block = exifBlock([make, orientation(6), [0xc0de, 7, 6, Buffer.from('secret')]]);
      const photo = await decodeBytes(withJpegExif(await plainJpeg(), block));
      const { file, found } = await result(photo, format);
      if (format === 'tiff') {
        // Its directory is that of the picture: the tags about the photo stand there.
        const { text, numbers, tags } = exifOf(file);
        expect([text(0x010f), numbers(0x0112), tags.includes(0xc0de)]).toEqual(['Snapmate', [1], true]);
        expect(file.includes('secret')).toBe(true);
        return;
      }
      const expected = Buffer.from(block);
      expected.writeUInt16LE(1, expected.indexOf(Buffer.from([0x12, 0x01, 3, 0])) + 8);
      expect(Buffer.compare(withoutExifPrefix(found.exif!), expected)).toBe(0);
    },
  );
});

describe('density', () => {
  const jfif = (unit: number, x: number, y = x) =>
    jpegSegment(0xe0, 'JFIF\0', Buffer.from([1, 2, unit, x >> 8, x & 255, y >> 8, y & 255, 0, 0]));
  const phys = (x: number, y = x, unit = 1): [string, Buffer] => {
    const data = Buffer.alloc(9, unit);
    data.writeUInt32BE(x, 0);
    data.writeUInt32BE(y, 4);
    return ['pHYs', data];
  };
  const resolution = (value: number, unit: number): [number, number, number, Buffer][] => [
    [0x011a, 5, 1, rational(value)],
    [0x011b, 5, 1, rational(value)],
    [0x0128, 3, 1, shorts(unit)],
  ];
  const tiff = (value: number, unit: number) =>
    tiffFile([
      {
        width: 4,
        height: 4,
        samples: noise(48),
        more: [
          [282, 5, [value]],
          [283, 5, [value]],
          [296, 3, [unit]],
        ],
      },
    ]);

  it.each<[string, () => Promise<Buffer> | Buffer, number | undefined]>([
    ['JFIF, an inch', async () => withJpegSegments(await plainJpeg(), jfif(1, 300)), 300],
    ['JFIF, a centimeter', async () => withJpegSegments(await plainJpeg(), jfif(2, 100)), 254],
    ['JFIF, no unit', async () => withJpegSegments(await plainJpeg(), jfif(0, 100)), undefined],
    ['EXIF, an inch', async () => withJpegExif(await plainJpeg(), exifBlock(resolution(240, 2))), 240],
    ['EXIF, a centimeter', async () => withJpegExif(await plainJpeg(), exifBlock(resolution(100, 3))), 254],
    ['EXIF, no unit', async () => withJpegExif(await plainJpeg(), exifBlock(resolution(240, 1))), undefined],
    ['PNG, a meter', () => plainPng(phys(11_811)), 300],
    ['PNG, no unit', () => plainPng(phys(2, 1, 0)), undefined],
    ['TIFF, an inch', () => tiff(600, 2), 600],
    ['TIFF, a centimeter', () => tiff(100, 3), 254],
    ['TIFF, no unit', () => tiff(1, 1), undefined],
  ])('%s', async (_name, make, expected) => {
    const photo = await decodeBytes(await make());
    if (expected === undefined) expect(photo.metadata.density).toBeUndefined();
    else expect(photo.metadata.density).toBeCloseTo(expected, 1);
    for (const format of OUTPUT_FORMATS) {
      const { decoded, found } = await result(photo, format);
      const { density } = decoded.metadata;
      if (expected === undefined) expect(density).toBeUndefined();
      else expect(density).toBeCloseTo(2 * expected, 0);
      if (expected === undefined && format !== 'tiff') {
        expect(found.exif === undefined).toBe(photo.metadata.exif === undefined);
      }
    }
  });

  it('pixels that are not square: left out with a note', async () => {
    const fax = await decodeBytes(withJpegSegments(await plainJpeg(), jfif(1, 204, 98)));
    expect(fax.metadata.density).toBeUndefined();
    expect(fax.notes.join()).toMatch(/not square \(204 × 98 an inch\)/);
  });

  it('is said once in JPEG: by EXIF where that says it', async () => {
    const photo = await decodeBytes(withJpegExif(await plainJpeg(), exifBlock(resolution(240, 2))));
    const { file } = await result(photo, 'jpeg');
    expect(file.includes('JFIF')).toBe(false);
    const jfifOnly = await result(await decodeBytes(withJpegSegments(await plainJpeg(), jfif(1, 300))), 'jpeg');
    expect(besideJpeg(jfifOnly.file).density).toEqual([600, 600]);
    expect(jfifOnly.found.exif).toBeUndefined();
  });
});

describe('EXIF that speaks of pixels', () => {
  /** Of 400×300 as stored. */
  const camera: [number, number, number, Buffer][] = [
    [0x9214, 3, 4, shorts(100, 60, 40, 20)],
    [0xa20e, 5, 1, rational(3000)],
    [0xa20f, 5, 1, rational(2000)],
    [0xa214, 3, 2, shorts(100, 60)],
  ];

  it.each<[number, number[]]>([
    [1, [200, 120, 80, 40]],
    [2, [600, 120, 80, 40]],
    [3, [600, 480, 80, 40]],
    [4, [200, 480, 80, 40]],
    [5, [120, 200, 40, 80]],
    [6, [480, 200, 40, 80]],
    [7, [480, 600, 40, 80]],
    [8, [120, 600, 40, 80]],
  ])('orientation %d: the subject stays where it is seen', (turn, expected) => {
    const placement = { stored: { width: 400, height: 300 }, orientation: turn };
    const size = turn >= 5 ? { width: 600, height: 800 } : { width: 800, height: 600 };
    const patched = exifOf(
      patchExif(exifBlock([orientation(turn)], camera), { ...size, stripLocation: false, placement })!,
    );
    expect(patched.numbers(0x9214)).toEqual(expected);
    expect(patched.numbers(0xa214)).toEqual(expected.slice(0, 2));
    // So many pixels of the result on the same piece of the sensor.
    expect([patched.rational(0xa20e), patched.rational(0xa20f)]).toEqual(turn >= 5 ? [4000, 6000] : [6000, 4000]);
    expect(patched.numbers(0x0112)).toEqual([1]);
  });

  it.each([
    ['outside of the block', [0x9214, 3, 4, Buffer.from([0xff, 0xff, 0xff, 0x7f])]],
    ['of one number', [0x9214, 3, 1, shorts(7)]],
    ['of another type', [0x9214, 5, 1, Buffer.from([0xff, 0xff, 0xff, 0x7f])]],
  ] as [string, [number, number, number, Buffer]][])('a subject %s stays as it is', (_name, entry) => {
    const placement = { stored: { width: 400, height: 300 }, orientation: 6 };
    const block = exifBlock([make], [entry]);
    const patched = patchExif(block, { width: 600, height: 800, stripLocation: false, placement })!;
    expect(Buffer.from(patched).equals(block)).toBe(true);
  });

  it('answers within the block for any bytes', () => {
    const whole = exifBlock([make, orientation(6)], camera);
    const edits = fc.array(fc.tuple(fc.nat(whole.length), fc.nat(255)), { maxLength: 12 });
    fc.assert(
      fc.property(edits, fc.nat(whole.length), fc.integer({ min: 1, max: 8 }), (list, cut, turn) => {
        const block = Buffer.from(whole.subarray(0, cut));
        for (const [at, value] of list) if (at < block.length) block[at] = value;
        const placement = { stored: { width: 400, height: 300 }, orientation: turn };
        const patched = patchExif(block, { width: 800, height: 600, stripLocation: cut % 2 === 0, placement });
        if (patched) expect(patched).toHaveLength(block.length);
      }),
      { numRuns: 3000, seed: 7 },
    );
  });

  it('the thumbnail is gone, not only its link', async () => {
    const block = exifBlock([make]);
    const second = Buffer.alloc(2 + 24 + 4);
    second.writeUInt16LE(2, 0);
    for (const [k, [tag, value]] of [
      [0x0201, block.length + second.length],
      [0x0202, 13],
    ].entries() as IterableIterator<[number, [number, number]]>) {
      second.writeUInt16LE(tag, 2 + 12 * k);
      second.writeUInt16LE(4, 4 + 12 * k);
      second.writeUInt32LE(1, 6 + 12 * k);
      second.writeUInt32LE(value, 10 + 12 * k);
    }
    block.writeUInt32LE(block.length, 8 + 2 + 12);
    const whole = Buffer.concat([block, second, Buffer.from('THE THUMBNAIL')]);
    const patched = Buffer.from(patchExif(whole, { width: 8, height: 8, stripLocation: false })!);
    expect(patched.includes('THUMBNAIL')).toBe(false);
    expect(patched.includes('Snapmate')).toBe(true);
  });

  it('sizes that cameras repeat for programs of their maker', () => {
    // The directory of interoperability, right behind the block.
    const camera: [number, number, number, Buffer][] = [[0xa005, 4, 1, Buffer.alloc(4)]];
    const block = exifBlock([make], camera);
    block.writeUInt32LE(block.length, block.indexOf(Buffer.from([0x05, 0xa0, 4, 0])) + 8);
    const interoperability = Buffer.alloc(2 + 24 + 4);
    interoperability.writeUInt16LE(2, 0);
    for (const [k, tag] of [0x1001, 0x1002].entries()) {
      interoperability.writeUInt16LE(tag, 2 + 12 * k);
      interoperability.writeUInt16LE(3, 4 + 12 * k);
      interoperability.writeUInt32LE(1, 6 + 12 * k);
      interoperability.writeUInt16LE(99, 10 + 12 * k);
    }
    const patched = Buffer.from(
      patchExif(Buffer.concat([block, interoperability]), { width: 70_000, height: 600, stripLocation: false })!,
    );
    expect([patched.readUInt32LE(block.length + 10), patched.readUInt32LE(block.length + 22)]).toEqual([70_000, 600]);
  });

  it('camera data of TIFF files is kept', async () => {
    const more = [
      [270, 2, 'Grandma at the lake'],
      [271, 2, 'Snapmate'],
      [306, 2, '2020:01:02 03:04:05'],
      [33432, 2, 'Ada'],
    ] as const;
    for (const littleEndian of [true, false]) {
      const file = tiffFile(
        [{ width: WIDTH, height: HEIGHT, samples: noise(WIDTH * HEIGHT * 3), more: more.map((each) => [...each]) }],
        { littleEndian },
      );
      const photo = await decodeBytes(file);
      expect(photo.notes).toEqual([]);
      for (const format of OUTPUT_FORMATS) {
        const { file, found } = await result(photo, format);
        const { text, tags } = exifOf(format === 'tiff' ? file : found.exif!);
        expect(more.map(([tag]) => text(tag))).toEqual(more.map(([, , value]) => value));
        if (format !== 'tiff') expect(tags).toHaveLength(more.length);
      }
    }
    const bare = await decodeBytes(
      tiffFile([
        {
          width: 4,
          height: 4,
          samples: noise(48),
          more: [
            [274, 3, [1]],
            [282, 5, [72]],
          ],
        },
      ]),
    );
    expect(bare.metadata.exif).toBeUndefined();
  });
});

describe('texts and captions', () => {
  const latin = (...parts: string[]) => Buffer.from(parts.join('\0'), 'latin1');
  const texts: [string, Buffer][] = [
    ['tEXt', latin('Title', 'Gr\xfcn 1950')],
    ['zTXt', Buffer.concat([latin('parameters', '', ''), deflateSync(latin('a lighthouse, steps: 20'))])],
    ['iTXt', Buffer.concat([latin('Author', '', '', '', ''), Buffer.from('Łódź')])],
  ];
  const EXPECTED = { Title: 'Grün 1950', parameters: 'a lighthouse, steps: 20', Author: 'Łódź' };

  it('of PNG are kept in PNG, and named where there is no place for them', async () => {
    const photo = await decodeBytes(await plainPng(...texts));
    const png = await result(photo, 'png');
    const found = besidePng(png.file).texts!.map(({ keyword, text }) => [keyword, text]);
    expect(Object.fromEntries(found)).toEqual(EXPECTED);
    expect(png.notes).toEqual([]);
    for (const format of ['jpeg', 'webp', 'avif'] as const) {
      expect((await result(photo, format)).notes.join()).toMatch(/no place for texts.*(Title|parameters|Author)/);
    }
  });

  it.each([
    ['JPEG', async () => withJpegSegments(await plainJpeg(), jpegSegment(0xfe, '', Buffer.from('At the lake')))],
    [
      'GIF',
      async () => {
        const gif = await picture().gif().toBuffer();
        const at = gif.indexOf(Buffer.from([0x21, 0xf9]));
        const comment = Buffer.concat([Buffer.from([0x21, 0xfe, 11]), Buffer.from('At the lake'), Buffer.from([0])]);
        return Buffer.concat([gif.subarray(0, at), comment, gif.subarray(at)]);
      },
    ],
  ])('a comment of %s is kept in JPEG and PNG', async (_name, make) => {
    const photo = await decodeBytes(await make());
    for (const format of ['jpeg', 'png'] as const) {
      const { decoded, notes } = await result(photo, format);
      expect(decoded.metadata.texts).toEqual([{ keyword: 'Comment', text: 'At the lake' }]);
      expect(notes).toEqual([]);
    }
    expect((await result(photo, 'avif')).notes.join()).toContain('Comment');
  });

  it('of any size but bombs', async () => {
    const long = 'x'.repeat(200_000);
    const photo = await decodeBytes(
      withJpegSegments(
        await plainJpeg(),
        ...[0, 1, 2].map((k) => jpegSegment(0xfe, '', Buffer.from(long.slice(65_000 * k, 65_000 * (k + 1))))),
      ),
    );
    const { decoded } = await result(photo, 'jpeg');
    expect(decoded.metadata.texts?.map(({ text }) => text.length)).toEqual([65_000, 65_000, 65_000]);
    const bomb = await decodeBytes(
      await plainPng(['zTXt', Buffer.concat([latin('Comment', '', ''), deflateSync(Buffer.alloc(30_000_000))])]),
    );
    expect(bomb.metadata.texts).toBeUndefined();
    expect(bomb.notes.join()).toMatch(/1 texts of the file are damaged or too large/);
  });

  it('EXIF, XMP and IPTC as ImageMagick writes them into PNG texts', async () => {
    const profile = (name: string, data: Buffer): [string, Buffer] => [
      'tEXt',
      latin(
        `Raw profile type ${name}`,
        `\n${name}\n    ${data.length}\n${data.toString('hex').replace(/.{72}/g, '$&\n')}\n`,
      ),
    ];
    const iim = Buffer.concat([Buffer.from([0x1c, 2, 120, 0, 7]), Buffer.from('Caption')]);
    const resource = Buffer.concat([Buffer.from('8BIM\x04\x04\0\0\0\0\0\x0c', 'latin1'), iim]);
    const photo = await decodeBytes(
      await plainPng(
        profile('exif', Buffer.concat([Buffer.from('Exif\0\0'), exifBlock([make])])),
        profile('xmp', Buffer.from(xmpPacket('', 'dc:source="attic"'))),
        profile('8bim', resource),
      ),
    );
    expect(photo.metadata.texts).toBeUndefined();
    const { decoded, found } = await result(photo, 'jpeg');
    expect(exifOf(found.exif!).text(0x010f)).toBe('Snapmate');
    expect(found.xmpAsString).toContain('attic');
    expect(Buffer.from(decoded.metadata.iptc!)).toEqual(iim);
  });

  it('captions (IPTC-IIM) are kept in JPEG and TIFF, out of both; else a note', async () => {
    const iim = Buffer.concat([Buffer.from([0x1c, 2, 120, 0, 7]), Buffer.from('Caption')]);
    const resources = Buffer.concat([
      Buffer.from('8BIM\x03\xed\0\0\0\0\0\x02ab8BIM\x04\x04\0\0\0\0\0\x0c', 'latin1'),
      iim,
      Buffer.from('8BIM\x04\x0c\0\0\0\0\0\x09THUMBNAIL\0', 'latin1'),
    ]);
    const jpeg = withJpegSegments(await plainJpeg(), jpegSegment(0xed, 'Photoshop 3.0\0', resources));
    const tiff = tiffFile([{ width: 8, height: 8, samples: noise(192), more: [[33723, 7, iim]] }]);
    for (const photo of [await decodeBytes(jpeg), await decodeBytes(tiff)]) {
      for (const format of ['jpeg', 'tiff'] as const) {
        const kept = await result(photo, format);
        expect(Buffer.from(kept.decoded.metadata.iptc!)).toEqual(iim);
        expect(kept.notes).toEqual([]);
        expect(kept.file.includes('THUMBNAIL')).toBe(false); // of the old picture
      }
      expect((await result(photo, 'png')).notes.join()).toMatch(/IPTC-IIM form are not kept/);
    }
  });

  it.each(['strip', 'strip_location'] as const)('none is left by %s', async (metadata) => {
    const iim = Buffer.concat([Buffer.from([0x1c, 2, 90, 0, 4]), Buffer.from('ROMA')]);
    const photo = await decodeBytes(
      withJpegSegments(
        await plainJpeg(),
        jpegSegment(0xfe, '', Buffer.from('ROMA')),
        jpegSegment(0xed, 'Photoshop 3.0\0', Buffer.concat([Buffer.from('8BIM\x04\x04\0\0\0\0\0\x09', 'latin1'), iim])),
      ),
    );
    for (const format of ['jpeg', 'png', 'tiff'] as const) {
      const { file, notes } = await result(photo, format, { metadata });
      expect(file.includes('ROMA')).toBe(false);
      expect(notes.length).toBe(metadata === 'strip' ? 0 : 1);
    }
  });
});

describe('XMP', () => {
  it('in two parts becomes one', async () => {
    const digest = '0123456789ABCDEF0123456789ABCDEF';
    const extension = Buffer.from(xmpPacket(`<dc:source>${'attic '.repeat(200)}</dc:source>`));
    const part = (from: number, to: number) => {
      const head = Buffer.alloc(8);
      head.writeUInt32BE(extension.length, 0);
      head.writeUInt32BE(from, 4);
      return jpegSegment(
        0xe1,
        `http://ns.adobe.com/xmp/extension/\0${digest}`,
        Buffer.concat([head, extension.subarray(from, to)]),
      );
    };
    const main = xmpSegment(xmpPacket('', `xmpNote:HasExtendedXMP="${digest}" dc:format="image/jpeg"`));
    // The second half comes first, and both before the packet.
    const file = withJpegSegments(await plainJpeg(), part(700, extension.length), part(0, 700), main);
    const photo = await decodeBytes(file);
    expect(photo.notes).toEqual([]);
    const { found } = await result(photo, 'webp');
    expect(found.xmpAsString).toContain('attic attic');
    expect(found.xmpAsString).toContain('dc:format="image/webp"');
    expect(found.xmpAsString).not.toContain('HasExtendedXMP');
    const lost = await decodeBytes(withJpegSegments(await plainJpeg(), part(0, 700), main));
    expect(lost.notes.join()).toMatch(/second, extended part of the XMP data/);
  });
});
