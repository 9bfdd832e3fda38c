import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { decodeImage } from '../../gpu-worker/images/decode.ts';
import type { DecodedImage } from '../../gpu-worker/images/image.ts';
import { DEFAULT_LIMITS } from '../../shared/limits.ts';

export const limits = DEFAULT_LIMITS;

export function fixture(path: string): string {
  return new URL(`../fixtures/${path}`, import.meta.url).pathname;
}

/** Through a file whose name is wrong on purpose: only the bytes may count. */
export async function decodeBytes(bytes: Uint8Array): Promise<DecodedImage> {
  const folder = await mkdtemp(join(tmpdir(), 'image-'));
  try {
    const path = join(folder, 'photo.txt');
    await writeFile(path, bytes);
    return await decodeImage(path, limits);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Reproducible samples that no resampling or conversion leaves unchanged. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state >> 16;
  });
}

/** Colors that may lie below alpha: values of interleaved RGB by their index. */
export const HIDDEN_COLORS: Record<'black' | 'white' | 'green' | 'noise', (index: number) => number> = {
  black: () => 0,
  white: () => 255,
  green: (index) => [0, 255, 0][index % 3]!,
  noise: (index) => (index * 7919) % 256,
};

/** Raw samples as sharp takes them. */
export function rawImage(data: Uint8Array | Uint16Array, width: number, height: number, channels: 1 | 2 | 3 | 4) {
  const space = { 1: 'b-w', 2: 'b-w', 3: 'srgb', 4: 'srgb' }[channels];
  return sharp(data, { raw: { width, height, channels } }).toColourspace(space);
}

/** One pixel, but the header claims 50,000×50,000. */
export async function bombPng(): Promise<Buffer> {
  const bomb = await rawImage(noise(3), 1, 1, 3).png().toBuffer();
  bomb.writeUInt32BE(50_000, 16);
  bomb.writeUInt32BE(50_000, 20);
  return bomb;
}

/** PNG chunks spliced in after IHDR, which ends at byte 33. */
export function withPngChunk(png: Uint8Array, type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([png.subarray(0, 33), length, body, check, png.subarray(33)]);
}

/** Right after the start of a JPEG file. */
export function withJpegSegments(jpeg: Uint8Array, ...segments: Uint8Array[]): Buffer {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** `name`: with which the data of application segments begins. */
export function jpegSegment(marker: number, name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([head, body]);
}

export function withJpegExif(jpeg: Uint8Array, exif: Uint8Array): Buffer {
  return withJpegSegments(jpeg, jpegSegment(0xe1, 'Exif\0\0', exif));
}

export function xmpSegment(xmp: string): Buffer {
  return jpegSegment(0xe1, 'http://ns.adobe.com/xap/1.0/\0', Buffer.from(xmp));
}

/** A packet with the usual namespaces; `inner` goes into its description. */
export function xmpPacket(inner: string, attributes = ''): string {
  const names = Object.entries(XMP_NAMES).map(([prefix, uri]) => `xmlns:${prefix}="${uri}"`);
  return (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">' +
    `<rdf:Description rdf:about="" ${names.join(' ')} ${attributes}>${inner}</rdf:Description></rdf:RDF></x:xmpmeta>`
  );
}

const XMP_NAMES = {
  dc: 'http://purl.org/dc/elements/1.1/',
  tiff: 'http://ns.adobe.com/tiff/1.0/',
  exif: 'http://ns.adobe.com/exif/1.0/',
  xmp: 'http://ns.adobe.com/xap/1.0/',
  xmpNote: 'http://ns.adobe.com/xmp/note/',
  xmpGImg: 'http://ns.adobe.com/xap/1.0/g/img/',
  crs: 'http://ns.adobe.com/camera-raw-settings/1.0/',
  photoshop: 'http://ns.adobe.com/photoshop/1.0/',
  Iptc4xmpCore: 'http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/',
  Iptc4xmpExt: 'http://iptc.org/std/Iptc4xmpExt/2008-02-29/',
  'mwg-rs': 'http://www.metadataworkinggroup.com/schemas/regions/',
  stDim: 'http://ns.adobe.com/xap/1.0/sType/Dimensions#',
  stArea: 'http://ns.adobe.com/xmp/sType/Area#',
  MP: 'http://ns.microsoft.com/photo/1.2/',
  MPRI: 'http://ns.microsoft.com/photo/1.2/t/RegionInfo#',
  MPReg: 'http://ns.microsoft.com/photo/1.2/t/Region#',
  GPano: 'http://ns.google.com/photos/1.0/panorama/',
  GCamera: 'http://ns.google.com/photos/1.0/camera/',
  GDepth: 'http://ns.google.com/photos/1.0/depthmap/',
  Container: 'http://ns.google.com/photos/1.0/container/',
  Item: 'http://ns.google.com/photos/1.0/container/item/',
  hdrgm: 'http://ns.adobe.com/hdr-gain-map/1.0/',
};

export async function displayP3Profile(): Promise<Buffer> {
  const png = await rawImage(noise(3), 1, 1, 3).withIccProfile('p3').png().toBuffer();
  return (await sharp(png).metadata()).icc!;
}

/** Adobe RGB (1998) as a minimal ICC version 2 matrix profile: primaries adapted to D50, gamma 563/256. */
export function adobeRgbProfile(): Buffer {
  const fixed = (values: number[]) => values.flatMap((value) => int32(Math.round(value * 65536)));
  const int32 = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);
  const text = (value: string) => [...Buffer.from(value, 'latin1')];
  const xyz = (...values: number[]) => [...text('XYZ '), ...int32(0), ...fixed(values)];
  const gamma = [...text('curv'), ...int32(0), ...int32(1), 0x02, 0x33, 0, 0];
  const tags: [string, number[]][] = [
    ['wtpt', xyz(0.9642, 1, 0.8249)],
    ['rXYZ', xyz(0.60974, 0.31111, 0.01947)],
    ['gXYZ', xyz(0.20528, 0.62567, 0.06087)],
    ['bXYZ', xyz(0.14919, 0.06322, 0.74457)],
    ['rTRC', gamma],
    ['gTRC', gamma],
    ['bTRC', gamma],
  ];
  let offset = 128 + 4 + tags.length * 12;
  const table = tags.flatMap(([name, value]) => {
    const entry = [...text(name), ...int32(offset), ...int32(value.length)];
    offset += value.length;
    return entry;
  });
  const header = Buffer.alloc(128);
  header.writeUInt32BE(offset, 0);
  header.writeUInt32BE(0x02100000, 8);
  header.write('mntrRGB XYZ ', 12, 'latin1');
  header.write('acsp', 36, 'latin1');
  header.set(fixed([0.9642, 1, 0.8249]), 68);
  return Buffer.concat([header, Buffer.from([...int32(tags.length), ...table, ...tags.flatMap(([, value]) => value)])]);
}
