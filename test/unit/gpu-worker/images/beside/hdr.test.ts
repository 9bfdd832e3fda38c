import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { besideHeif } from '../../../../../gpu-worker/images/beside/heif.ts';
import { encodeImage } from '../../../../../gpu-worker/images/encode.ts';
import {
  decodeBytes,
  fixture,
  jpegSegment,
  noise,
  rawImage,
  withJpegSegments,
  xmpPacket,
  xmpSegment,
} from '../../../../support/sample-images.ts';

/** Photos with a second picture that brightens them, or a film: the loss is said, and no more promised. */

const jpeg = (width = 24) =>
  rawImage(noise(width * 16 * 3), width, 16, 3)
    .jpeg()
    .toBuffer();

const ADOBE = xmpPacket(
  '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>' +
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="500"/></rdf:li></rdf:Seq></Container:Directory>',
  'hdrgm:Version="1.0"',
);
const MAP = xmpPacket('', 'hdrgm:Version="1.0" hdrgm:GainMapMax="2" hdrgm:HDRCapacityMax="2"');
const APPLE_MAP =
  '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" ' +
  'xmlns:HDRGainMap="http://ns.apple.com/HDRGainMap/1.0/"><HDRGainMap:HDRGainMapVersion>65536</HDRGainMap:HDRGainMapVersion></rdf:Description></rdf:RDF></x:xmpmeta>';

/** CIPA DC-007: pictures of these kinds lie in the file. */
function mpf(...kinds: number[]): Buffer {
  const body = Buffer.alloc(8 + 2 + 36 + 4 + 16 * kinds.length);
  body.write('MM\0*\0\0\0\x08\0\x03', 'latin1');
  const entries = [
    [0xb000, 7, 4, 0x30313030],
    [0xb001, 4, 1, kinds.length],
    [0xb002, 7, 16 * kinds.length, 50],
  ];
  for (const [k, [tag, type, count, value]] of entries.entries() as IterableIterator<
    [number, [number, number, number, number]]
  >) {
    body.writeUInt16BE(tag, 10 + 12 * k);
    body.writeUInt16BE(type, 12 + 12 * k);
    body.writeUInt32BE(count, 14 + 12 * k);
    body.writeUInt32BE(value, 18 + 12 * k);
  }
  for (const [k, kind] of kinds.entries()) body.writeUInt32BE(kind, 50 + 16 * k);
  return jpegSegment(0xe2, 'MPF\0', body);
}
const [PRIMARY, THUMBNAIL, OTHER] = [0x030000, 0x010001, 0];

const GAIN_MAP = /HDR gain map is not kept/;
const FILM = /film of the motion photo is not kept/;

describe('JPEG', () => {
  it.each<[string, Buffer[], () => Promise<Buffer>, RegExp | undefined]>([
    [
      'Ultra HDR: announced by XMP and MPF',
      [xmpSegment(ADOBE), mpf(PRIMARY, OTHER)],
      async () => withJpegSegments(await jpeg(8), xmpSegment(MAP)),
      GAIN_MAP,
    ],
    ['Ultra HDR whose map has been cut off', [xmpSegment(ADOBE)], async () => Buffer.alloc(0), GAIN_MAP],
    [
      'ISO 21496-1: announced by a name',
      [jpegSegment(0xe2, 'urn:iso:std:iso:ts:21496:-1\0', Buffer.alloc(4)), mpf(PRIMARY, OTHER)],
      () => jpeg(8),
      GAIN_MAP,
    ],
    [
      'Apple: only the second picture says so',
      [mpf(PRIMARY, OTHER)],
      async () => withJpegSegments(await jpeg(8), xmpSegment(APPLE_MAP)),
      GAIN_MAP,
    ],
    [
      'motion photo',
      [xmpSegment(xmpPacket('', 'GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"'))],
      async () => Buffer.from('\0\0\0\x18ftypmp42film', 'latin1'),
      FILM,
    ],
    [
      'micro video',
      [xmpSegment(xmpPacket('<GCamera:MicroVideo>1</GCamera:MicroVideo>'))],
      async () => Buffer.alloc(0),
      FILM,
    ],
    [
      'motion photo of Samsung',
      [],
      async () => Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0film\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data', 'latin1'),
      FILM,
    ],
    ['two pictures', [mpf(PRIMARY, 0x020002)], () => jpeg(8), /2 pictures \(MPF\); the first one was taken/],
    ['previews for screens', [mpf(PRIMARY, THUMBNAIL, 0x010002)], () => jpeg(8), undefined],
    [
      'a photo that says it is none',
      [xmpSegment(xmpPacket('', 'GCamera:MotionPhoto="0"'))],
      async () => Buffer.alloc(0),
      undefined,
    ],
  ])('%s', async (_name, segments, behind, note) => {
    const photo = await decodeBytes(Buffer.concat([withJpegSegments(await jpeg(), ...segments), await behind()]));
    expect(photo.pixels.width).toBe(24);
    if (note) expect(photo.notes.join()).toMatch(note);
    expect(photo.notes).toHaveLength(note ? 1 : 0);

    const folder = await mkdtemp(join(tmpdir(), 'hdr-'));
    const path = join(folder, 'result');
    const size = { width: 48, height: 32 };
    await encodeImage(path, photo.pixels, undefined, photo.metadata, {
      format: 'jpeg',
      quality: 90,
      metadata: 'keep',
      ...size,
    });
    const { xmpAsString } = await sharp(await readFile(path)).metadata();
    await rm(folder, { recursive: true });
    expect(xmpAsString ?? '').not.toMatch(/hdrgm:V|GainMap|Container:D|MotionPhoto(Version)?=|MicroVideo>/);
  });
});

describe('HEIC and AVIF', () => {
  it('an item that is made of picture and map', async () => {
    const file = await rawImage(noise(32 * 32 * 3), 32, 32, 3)
      .withExif({ IFD0: { Make: 'Snapmate' } })
      .avif()
      .toBuffer();
    expect(besideHeif(file).lost).toEqual([]);
    file.write('tmap', file.indexOf('Exif'), 'latin1');
    expect(besideHeif(file).lost.join()).toMatch(GAIN_MAP);
  });

  it("Apple's auxiliary picture", async () => {
    const file = await readFile(fixture('formats/turned-p3.heic'));
    expect(besideHeif(file).lost).toEqual([]);
    const named = Buffer.concat([
      file,
      Buffer.from('\0\0\0\x34free urn:com:apple:photo:2020:aux:hdrgainmap', 'latin1'),
    ]);
    expect(besideHeif(named).lost.join()).toMatch(GAIN_MAP);
  });
});
