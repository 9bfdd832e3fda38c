import { deflateSync } from 'node:zlib';
import type { InputFormat } from '../../shared/image-format.ts';
import { adobeRgbProfile, xmpPacket } from './sample-images.ts';

type Random = () => number;

/** Blocks of EXIF, ICC and XMP that nobody would write in earnest. */
const BLOCKS = {
  exif: [
    // Directories that lead back to themselves, as the next one, as that of the camera and as that of the place.
    () => exifOf([[0x8769, 4, 1, 8]], 8),
    () => exifOf([[0x8825, 4, 1, 8]], 0),
    () => exifOf(Array(300).fill([0x8769, 4, 1, 8]), 0),
    // Values beyond the block, of more bytes than there are numbers.
    () => exifOf([[0x0112, 3, 0xffff_ffff, 0xffff_fff0]], 0xffff_ffff),
    () => exifOf([[0x927c, 7, 0x7fff_ffff, 8]], 0),
    // A density beyond all numbers.
    () => Buffer.concat([exifOf([[0x011a, 5, 1, 26]], 0), uint32(0xffff_ffff), uint32(0)]),
    // An orientation that is none.
    () => exifOf([[0x0112, 3, 1, 999]], 0),
    () => Buffer.from('Exif\0\0II*\0\xff\xff\xff\xff', 'latin1'),
  ],
  icc: [
    () => change(adobeRgbProfile(), 0, 0xffff_ffff),
    () => change(adobeRgbProfile(), 0, 132),
    () => change(adobeRgbProfile(), 128, 0xffff_ffff), // tags
    () => change(adobeRgbProfile(), 136, 0x7fff_ffff), // where the first of them is
    () => change(adobeRgbProfile(), 140, 0xffff_fff0), // and how long
    () => adobeRgbProfile().subarray(0, 131),
    () => Buffer.alloc(60_000, 'acsp'),
  ],
  xmp: [
    () => Buffer.from(`<!DOCTYPE x [<!ENTITY a "${'ha'.repeat(500)}"><!ENTITY b "${'&a;'.repeat(99)}">]><rdf:RDF>&b;`),
    () => Buffer.from('<rdf:RDF>'.repeat(6_000)),
    () => Buffer.from(`<rdf:RDF tiff:Orientation='${' '.repeat(40_000)}`),
    () => Buffer.from(`<rdf:RDF ${'tiff:Orientation="8" '.repeat(2_000)}></rdf:RDF>`),
    // Numbers that are none, regions of no size and of no place.
    () =>
      Buffer.from(
        xmpPacket('', 'crs:CropLeft="NaN" crs:CropTop="-1e999" crs:HasCrop="True" GPano:FullPanoWidthPixels="1e308"'),
      ),
    () =>
      Buffer.from(
        xmpPacket(
          `<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="0" stDim:h="-1"/>${'<mwg-rs:Area stArea:x="9e99" stArea:y="" stArea:d="1"/>'.repeat(300)}</mwg-rs:Regions>`,
        ),
      ),
    () =>
      Buffer.from(
        xmpPacket(`<exif:SubjectArea><rdf:Seq>${'<rdf:li>x</rdf:li>'.repeat(500)}</rdf:Seq></exif:SubjectArea>`),
      ),
    () => Buffer.from(xmpPacket('<dc:a>'.repeat(3_000) + '</dc:a>'.repeat(3_000))),
    () => Buffer.concat([Buffer.from('<rdf:RDF>'), Buffer.alloc(500, 0xfe)]),
    () => Buffer.alloc(0),
  ],
} satisfies Record<string, (() => Buffer)[]>;

type Kind = keyof typeof BLOCKS;

/** A whole part of the format with such a block in it; undefined for formats that have no place for it. */
export function hostileMetadata(format: InputFormat, random: Random): Buffer | undefined {
  const kind = pick(Object.keys(BLOCKS) as Kind[], random);
  const block = pick(BLOCKS[kind], random)();
  if (format === 'jpeg') return jpegSegment(kind, block);
  if (format === 'webp') return riffChunk({ exif: 'EXIF', icc: 'ICCP', xmp: 'XMP ' }[kind], block);
  if (format === 'png') return random() < 0.2 ? pick(PNG_EXTRAS, random)() : pngMetadata(kind, block);
  return undefined;
}

/** Texts that grow when they are inflated, an animation, HDR, a density that is none. */
const PNG_EXTRAS = [
  () => pngChunk('zTXt', Buffer.concat([Buffer.from('Comment\0\0'), deflateSync(Buffer.alloc(30_000_000))])),
  () => pngChunk('iCCP', Buffer.concat([Buffer.from('icc\0\0'), deflateSync(Buffer.alloc(30_000_000))])),
  () => pngChunk('acTL', Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])),
  () => pngChunk('fcTL', Buffer.alloc(26, 0xff)),
  () => pngChunk('cICP', Buffer.from([9, 16, 0, 1])),
  () => pngChunk('pHYs', Buffer.concat([Buffer.alloc(8, 0xff), Buffer.from([1])])),
  () => pngChunk('tRNS', Buffer.alloc(300)),
  () => pngChunk('gAMA', Buffer.alloc(4)),
  () => pngChunk('gAMA', Buffer.alloc(1)),
  () => pngChunk('cHRM', Buffer.alloc(32, 0xff)),
  () => pngChunk('cICP', Buffer.from([9])),
  () => pngChunk('tEXt', Buffer.from(`Raw profile type exif\0\nexif\n 9\n${' '.repeat(300_000)}x`)),
];

function pngMetadata(kind: Kind, block: Buffer): Buffer {
  if (kind === 'exif') return pngChunk('eXIf', block);
  if (kind === 'icc') return pngChunk('iCCP', Buffer.concat([Buffer.from('icc\0\0'), deflateSync(block)]));
  return pngChunk('iTXt', Buffer.concat([Buffer.from('XML:com.adobe.xmp\0\0\0\0\0'), block]));
}

/** Its check sum is for `withCheckSums` to set. */
function pngChunk(name: string, content: Buffer): Buffer {
  return Buffer.concat([uint32(content.length), Buffer.from(name), content, Buffer.alloc(4)]);
}

function riffChunk(name: string, content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(content.length);
  return Buffer.concat([Buffer.from(name), length, content, Buffer.alloc(content.length & 1)]);
}

function jpegSegment(kind: Kind, block: Buffer): Buffer {
  const marker = kind === 'icc' ? 0xe2 : 0xe1;
  const names = { exif: 'Exif\0\0', icc: 'ICC_PROFILE\0\x01\x01', xmp: 'http://ns.adobe.com/xap/1.0/\0' };
  const content = Buffer.concat([Buffer.from(names[kind], 'latin1'), block]).subarray(0, 65_533);
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([head, content]);
}

type Entry = [tag: number, type: number, count: number, value: number];

/** One directory, big-endian. */
function exifOf(entries: Entry[], next: number): Buffer {
  const head = Buffer.from([...Buffer.from('MM\0*'), 0, 0, 0, 8, entries.length >> 8, entries.length & 255]);
  const written = entries.map(([tag, type, count, value]) => {
    const entry = Buffer.alloc(12);
    entry.writeUInt16BE(tag, 0);
    entry.writeUInt16BE(type, 2);
    entry.writeUInt32BE(count, 4);
    if (type === 3 && count === 1) entry.writeUInt16BE(value, 8);
    else entry.writeUInt32BE(value, 8);
    return entry;
  });
  return Buffer.concat([head, ...written, uint32(next)]);
}

function change(bytes: Buffer, at: number, value: number): Buffer {
  bytes.writeUInt32BE(value, at);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function pick<Item>(items: readonly Item[], random: Random): Item {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new RangeError('there is nothing to pick from');
  return item;
}
