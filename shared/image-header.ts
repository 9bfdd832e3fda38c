import { AppError } from './error.ts';
import { openTiff, readDirectory, readNumber } from './tiff.ts';

/** Stored size, and how to turn it to be seen upright (EXIF orientation 1..8). */
export interface StoredSize {
  width: number;
  height: number;
  orientation: number;
  /** By its numbers, without a profile (AVIF, HEIC). */
  displayP3?: true;
}

/** Reads past the end throw RangeError, which `readImageHeader` reports as a header that is cut off. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function textAt(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}

/** ITU-T H.273 table 3, as found in AVIF and HEIC (`colr`) and PNG (`cICP`). */
export function refuseHdr(transferCharacteristics: number): void {
  const name = { 16: 'PQ', 18: 'HLG' }[transferCharacteristics];
  if (name) throw new AppError('hdr-unsupported', `The image is HDR (${name} transfer); convert it to SDR first.`);
}

/** Four letters as the number that DataView reads; files of millions of empty chunks are walked fast this way. */
const NAME = { IEND: 0x49454e44, cICP: 0x63494350, eXIf: 0x65584966, EXIF: 0x45584946, Exif: 0x45786966 };

const EXIF_PREFIX = 'Exif\0\0';

/** JPEG and some WebP files put "Exif\0\0" before the TIFF structure. */
export function withoutExifPrefix(bytes: Uint8Array): Uint8Array {
  return textAt(bytes, 0, EXIF_PREFIX.length) === EXIF_PREFIX ? bytes.subarray(EXIF_PREFIX.length) : bytes;
}

function exifOrientation(exif: Uint8Array): number {
  const tiff = openTiff(withoutExifPrefix(exif));
  const directory = tiff && readDirectory(tiff, tiff.firstDirectory);
  const value = directory && readNumber(tiff, directory, 274);
  return value !== undefined && value >= 1 && value <= 8 ? value : 1;
}

/** ITU-T T.81 annex B: segments up to the frame header, so that a beginning that has it says the same as the file. */
export function readJpegSize(bytes: Uint8Array): StoredSize {
  const view = viewOf(bytes);
  let orientation: number | undefined;
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = view.getUint8(at + 1);
    if (view.getUint8(at) !== 0xff || marker === 0xff || marker === 0) {
      at++; // fill bytes, or garbage that decoders skip as well
      continue;
    }
    if (marker === 0xda || marker === 0xd9) break;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2; // markers without a length
      continue;
    }
    const end = at + 2 + view.getUint16(at + 2);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7), orientation: orientation ?? 1 };
    }
    const isExif = marker === 0xe1 && end >= at + 10 && view.getUint32(at + 4) === NAME.Exif;
    if (isExif) orientation ??= exifOrientation(bytes.subarray(at + 4, end));
    at = end;
  }
  throw new RangeError('no frame header');
}

/** PNG third edition: IHDR comes first, eXIf may come after the pixels. */
export function readPngSize(bytes: Uint8Array): StoredSize {
  const view = viewOf(bytes);
  if (textAt(bytes, 12, 4) !== 'IHDR') throw new RangeError('no IHDR');
  let orientation = 1;
  for (let at = 8; at + 8 <= bytes.length; at += 12 + view.getUint32(at)) {
    const name = view.getUint32(at + 4);
    if (name === NAME.IEND) break;
    if (name === NAME.cICP) refuseHdr(view.getUint8(at + 9));
    if (name === NAME.eXIf) orientation = exifOrientation(bytes.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  return { width: view.getUint32(16), height: view.getUint32(20), orientation };
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
    if (view.getUint32(at) === NAME.EXIF) {
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

/** TIFF 6.0: ImageWidth and ImageLength of the first directory, which often lies at the end of the file. */
export function readTiffSize(bytes: Uint8Array): StoredSize {
  const tiff = openTiff(bytes);
  const directory = tiff && readDirectory(tiff, tiff.firstDirectory);
  const width = directory && readNumber(tiff, directory, 256);
  const height = directory && readNumber(tiff, directory, 257);
  if (!width || !height) throw new RangeError('no size in the first directory');
  return { width, height, orientation: exifOrientation(bytes) };
}
