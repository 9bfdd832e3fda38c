import { textAt, viewOf } from './byte-view.ts';
import type { ColorEncoding } from './color-encoding.ts';
import { openTiff, readDirectory, readNumber } from './tiff.ts';

/** Stored size, and how to turn it to be seen upright (EXIF orientation 1..8). */
export interface StoredSize {
  width: number;
  height: number;
  orientation: number;
  /** By its numbers, beside or without a profile (PNG, AVIF, HEIC). */
  colors?: ColorEncoding;
  /** Colors are stored multiplied by alpha (AVIF, HEIC). */
  premultiplied?: true;
}

const EXIF_PREFIX = 'Exif\0\0';
/** As a number: files of millions of empty chunks are walked fast this way. */
const EXIF_CHUNK = 0x45584946;

/** JPEG and some WebP files put "Exif\0\0" before the TIFF structure. */
export function withoutExifPrefix(bytes: Uint8Array): Uint8Array {
  return textAt(bytes, 0, EXIF_PREFIX.length) === EXIF_PREFIX ? bytes.subarray(EXIF_PREFIX.length) : bytes;
}

export function exifOrientation(exif: Uint8Array): number {
  const tiff = openTiff(withoutExifPrefix(exif));
  const directory = tiff && readDirectory(tiff, tiff.firstDirectory);
  const value = directory && readNumber(tiff, directory, 274);
  return value !== undefined && value >= 1 && value <= 8 ? value : 1;
}

/** RFC 9649: one of three first chunks; EXIF comes after the pixels. */
export function readWebpSize(bytes: Uint8Array): StoredSize {
  const view = viewOf(bytes);
  const kind = textAt(bytes, 12, 4);
  if (kind === 'VP8 ') {
    if (textAt(bytes, 23, 3) !== '\x9d\x01\x2a') throw new RangeError('no VP8 key frame');
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff, orientation: 1 };
  }
  if (kind === 'VP8L') {
    if (view.getUint8(20) !== 0x2f) throw new RangeError('no VP8L signature');
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1, orientation: 1 };
  }
  if (kind !== 'VP8X') throw new RangeError('no VP8 chunk');
  const width = (view.getUint32(24, true) & 0xffffff) + 1;
  const height = (view.getUint32(26, true) >>> 8) + 1;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (view.getUint32(at) === EXIF_CHUNK) {
      return { width, height, orientation: exifOrientation(bytes.subarray(at + 8, at + 8 + length)) };
    }
    at += 8 + length + (length & 1);
  }
  return { width, height, orientation: 1 };
}

/** GIF89a section 18: the logical screen. */
export function readGifSize(bytes: Uint8Array): StoredSize {
  const view = viewOf(bytes);
  return { width: view.getUint16(6, true), height: view.getUint16(8, true), orientation: 1 };
}
