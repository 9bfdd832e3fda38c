import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MetadataChanges, patchExif } from '../../../../gpu-worker/images/exif.ts';
import { namesPlace, patchXmp } from '../../../../gpu-worker/images/xmp.ts';
import { openTiff, readDirectory, readNumber } from '../../../../shared/tiff.ts';
import { xmpPacket } from '../../../support/sample-images.ts';

const changes: MetadataChanges = { width: 70_000, height: 3072, density: 300, stripLocation: false };

type Entry = [tag: number, type: number, count: number, value: number | Uint8Array];

/** EXIF block: IFD0 with links to an Exif and a GPS directory, then IFD1; values longer than four bytes at the end. */
function exifBlock(littleEndian: boolean): Uint8Array {
  const ascii = (value: string) => new TextEncoder().encode(value);
  const directories: Entry[][] = [
    [
      [0x0100, 3, 1, 4032],
      [0x0101, 3, 1, 3024],
      [0x010f, 2, 9, ascii('Snapmate\0')],
      [0x0112, 3, 1, 6],
      [0x011a, 5, 1, new Uint8Array(8)],
      [0x8769, 4, 1, 0],
      [0x8825, 4, 1, 0],
    ],
    [
      [0x927c, 7, 12, ascii('Rome, Italy\0')],
      [0x9003, 2, 20, ascii('2024:05:01 10:00:00\0')],
      [0xa002, 3, 1, 4032],
      [0xa003, 4, 1, 3024],
    ],
    [
      [0x0001, 2, 2, 0x4e],
      [0x0002, 5, 3, ascii('LATITUDE LATITUDE LATITU')],
    ],
    [[0x0103, 3, 1, 6]],
  ];
  const offsets: number[] = [];
  let end = 8;
  for (const entries of directories) {
    offsets.push(end);
    end += 2 + entries.length * 12 + 4;
  }
  const bytes = new Uint8Array(1000);
  const view = new DataView(bytes.buffer);
  bytes.set(littleEndian ? [0x49, 0x49] : [0x4d, 0x4d]);
  view.setUint16(2, 42, littleEndian);
  view.setUint32(4, 8, littleEndian);
  directories.forEach((entries, i) => {
    let at = offsets[i]!;
    view.setUint16(at, entries.length, littleEndian);
    at += 2;
    for (const [tag, type, count, value] of entries) {
      view.setUint16(at, tag, littleEndian);
      view.setUint16(at + 2, type, littleEndian);
      view.setUint32(at + 4, count, littleEndian);
      const link = { 34665: offsets[1], 34853: offsets[2] }[tag];
      if (value instanceof Uint8Array) {
        view.setUint32(at + 8, end, littleEndian);
        bytes.set(value, end);
        end += value.length;
      } else if (type === 3) view.setUint16(at + 8, value, littleEndian);
      else view.setUint32(at + 8, link ?? value, littleEndian);
      at += 12;
    }
    if (i === 0) view.setUint32(at, offsets[3]!, littleEndian);
  });
  return bytes.slice(0, end);
}

function read(exif: Uint8Array) {
  const tiff = openTiff(exif)!;
  const main = readDirectory(tiff, tiff.firstDirectory)!;
  const camera = readDirectory(tiff, readNumber(tiff, main, 0x8769)!)!;
  return {
    number: (tag: number) => readNumber(tiff, main, tag) ?? readNumber(tiff, camera, tag),
    next: tiff.view.getUint32(main.nextLink, tiff.littleEndian),
    tags: [...main.entries, ...camera.entries].map(({ tag }) => tag),
    text: Buffer.from(exif).toString('latin1'),
    resolution: () => {
      const { valueOffset } = main.entries.find(({ tag }) => tag === 0x011a)!;
      const at = (offset: number) => tiff.view.getUint32(offset, tiff.littleEndian);
      return at(valueOffset) / at(valueOffset + 4);
    },
  };
}

describe.each([
  ['little-endian', true],
  ['big-endian', false],
])('patchExif, %s', (_name, littleEndian) => {
  it('corrects orientation, sizes and density, and unlinks the thumbnail', () => {
    const original = Buffer.from(exifBlock(littleEndian));
    const before = Uint8Array.from(original);
    const patched = read(patchExif(original, changes)!);
    expect(Uint8Array.from(original)).toEqual(before);
    expect(patched.number(0x0112)).toBe(1);
    expect([patched.number(0x0100), patched.number(0x0101)]).toEqual([70_000, 3072]);
    expect([patched.number(0xa002), patched.number(0xa003)]).toEqual([70_000, 3072]);
    expect(patched.resolution()).toBe(300);
    expect(patched.next).toBe(0);
    expect(patched.tags).toEqual(read(original).tags);
    expect(patched.text).toMatch(/Snapmate.*Rome.*2024:05:01 10:00:00.*LATITUDE/s);
  });

  it('leaves no place behind when asked', () => {
    const patched = read(patchExif(exifBlock(littleEndian), { ...changes, stripLocation: true })!);
    expect(patched.tags).toEqual([0x0100, 0x0101, 0x010f, 0x0112, 0x011a, 0x8769, 0x9003, 0xa002, 0xa003]);
    expect(patched.text).not.toMatch(/Rome|LATI/);
    expect(patched.text).toMatch(/Snapmate.*2024:05:01 10:00:00/s);
    expect(patched.next).toBe(0);
    expect(patched.number(0x0112)).toBe(1);
  });
});

describe('patchExif, damaged blocks', () => {
  it.each<[string, Uint8Array]>([
    ['empty', new Uint8Array()],
    ['text', new TextEncoder().encode('not a TIFF structure at all')],
    ['directory outside', Uint8Array.of(0x49, 0x49, 42, 0, 0xff, 0xff, 0xff, 0xff)],
    ['cut inside the directory', exifBlock(true).slice(0, 40)],
    ['larger than a JPEG segment', Uint8Array.from({ length: 65_528 }, (_, i) => exifBlock(true)[i] ?? 0)],
  ])('%s: undefined', (_name, exif) => {
    expect(patchExif(exif, changes)).toBeUndefined();
  });

  it('survives a GPS link to the directory itself', () => {
    const exif = exifBlock(true);
    const tiff = openTiff(exif)!;
    const gps = readDirectory(tiff, 8)!.entries.find(({ tag }) => tag === 0x8825)!;
    tiff.view.setUint32(gps.offset + 8, 8, true);
    expect(patchExif(exif, { ...changes, stripLocation: true })).toHaveLength(exif.length);
  });

  it('follows a GPS link of an unknown type, as readers do', () => {
    const exif = exifBlock(true);
    const tiff = openTiff(exif)!;
    const gps = readDirectory(tiff, 8)!.entries.find(({ tag }) => tag === 0x8825)!;
    tiff.view.setUint16(gps.offset + 2, 0, true);
    const patched = Buffer.from(patchExif(exif, { ...changes, stripLocation: true })!).toString('latin1');
    expect(patched).not.toContain('LATI');
  });

  it('answers within the block for any bytes', () => {
    const edits = fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 12 });
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), edits, fc.nat(500), (littleEndian, stripLocation, list, cut) => {
        const exif = exifBlock(littleEndian).slice(0, cut);
        for (const [at, value] of list) if (at < exif.length) exif[at] = value;
        const patched = patchExif(exif, { ...changes, stripLocation });
        if (patched) expect(patched).toHaveLength(exif.length);
      }),
      { numRuns: 3000, seed: 7 },
    );
  });

  it('refuses repeated links and takes at most a moment for the costliest GPS directory', () => {
    const exif = new Uint8Array(65_000);
    const view = new DataView(exif.buffer);
    exif.set([0x49, 0x49, 42, 0, 8, 0, 0, 0]);
    const entry = (at: number, tag: number, type: number, count: number, value: number) => {
      view.setUint16(at, tag, true);
      view.setUint16(at + 2, type, true);
      view.setUint32(at + 4, count, true);
      view.setUint32(at + 8, value, true);
    };
    view.setUint16(8, 2, true);
    entry(10, 0x010f, 2, 1, 0);
    entry(22, 0x8825, 4, 1, 100);
    view.setUint16(100, 5000, true);
    for (let at = 102; at < 60_102; at += 12) entry(at, 1, 1, 4800, 60_200);
    const start = process.cpuUsage();
    expect(patchExif(exif, { ...changes, stripLocation: true })).toHaveLength(exif.length);
    expect(process.cpuUsage(start).user).toBeLessThan(1_000_000);
    entry(10, 0x8825, 4, 1, 100);
    expect(patchExif(exif, changes)).toBeUndefined();
  });
});

const xmp = (inner: string, attributes = '') => new TextEncoder().encode(xmpPacket(inner, attributes));

describe('patchXmp', () => {
  it('corrects attributes and elements', () => {
    const packet = xmp(
      '<tiff:Orientation>8</tiff:Orientation><exif:PixelXDimension>10</exif:PixelXDimension><dc:title>8</dc:title>',
      `tiff:ImageWidth="10" tiff:ImageLength='20' exif:PixelYDimension = "20" tiff:XResolution="72/1"`,
    );
    const patched = new TextDecoder().decode(patchXmp(packet, changes));
    expect(patched).toContain('<tiff:Orientation>1</tiff:Orientation>');
    expect(patched).toContain('<exif:PixelXDimension>70000</exif:PixelXDimension>');
    expect(patched).toContain('<dc:title>8</dc:title>');
    expect(patched).toContain('tiff:ImageWidth="70000" tiff:ImageLength="3072" exif:PixelYDimension="3072"');
    expect(patched).toContain('tiff:XResolution="300000/1000"');
  });

  it.each<[string, Uint8Array]>([
    ['not UTF-8', Uint8Array.of(0xff, 0xfe, 0x3c)],
    ['no XMP', new TextEncoder().encode('<html/>')],
    ['too large for a JPEG segment', xmp(' '.repeat(65_502))],
  ])('%s: undefined', (_name, packet) => {
    expect(patchXmp(packet, changes)).toBeUndefined();
  });

  it.each([
    ['exif:GPSLatitude="41,53N"', true],
    ['photoshop:City="Rome"', true],
    ['Iptc4xmpCore:Location="Forum"', true],
    ['photoshop:Country="Italy"', true],
    ['dc:creator="Ada" xmp:Rating="5" photoshop:ColorMode="3"', false],
  ])('%s names a place: %s', (attributes, expected) => {
    expect(namesPlace(new TextDecoder().decode(xmp('', attributes)))).toBe(expected);
  });
});
