import { textAt, viewOf } from './byte-view.ts';
import { AppError } from './error.ts';
import { exifOrientation, type StoredSize } from './image-header.ts';

/** One marker segment of a JPEG file (ITU-T T.81 annex B.1.1.4). */
interface JpegSegment {
  /** Second byte of the marker: 0xe1 is APP1. */
  marker: number;
  /** Offset of the marker. */
  start: number;
  /** Offset of the bytes after the length. */
  body: number;
  /** May lie beyond the end of a file that is cut off. */
  end: number;
}

export const MARKER = { startOfScan: 0xda, endOfImage: 0xd9 } as const;

/**
 * The segments from the start of the image to its end, or to that of the file; coded pixels, fill bytes and garbage, which
 * decoders skip, are skipped.
 */
export function* jpegSegments(bytes: Uint8Array): Generator<JpegSegment> {
  const view = viewOf(bytes);
  for (let at = 2; at + 2 <= bytes.length; ) {
    const marker = bytes[at + 1]!;
    if (bytes[at] !== 0xff || marker === 0xff || marker === 0) {
      at = nextMarker(bytes, at + 1);
      continue;
    }
    if (marker === MARKER.endOfImage) {
      yield { marker, start: at, body: at + 2, end: at + 2 };
      return;
    }
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2; // markers without a length
      continue;
    }
    if (at + 4 > bytes.length) return;
    const segment = { marker, start: at, body: at + 4, end: at + 2 + view.getUint16(at + 2) };
    yield segment;
    at = Math.max(segment.end, segment.body);
  }
}

function nextMarker(bytes: Uint8Array, from: number): number {
  const at = bytes.indexOf(0xff, from);
  return at < 0 ? bytes.length : at;
}

/** Processes of ITU-T T.81 and its like that no decoder of photos knows, by the second byte of the frame's marker. */
const OTHER_JPEG: Record<number, string> = {
  197: 'hierarchical',
  198: 'hierarchical',
  199: 'hierarchical',
  203: 'lossless and arithmetic',
  205: 'hierarchical',
  206: 'hierarchical',
  207: 'hierarchical',
  247: 'JPEG-LS',
};

/** ITU-T T.81 annex B: segments up to the frame header, so that a beginning that has it says the same as the file. */
export function readJpegSize(bytes: Uint8Array): StoredSize {
  const view = viewOf(bytes);
  let orientation: number | undefined;
  for (const { marker, body, end } of jpegSegments(bytes)) {
    if (marker === 0xda || marker === 0xd9) break;
    if (OTHER_JPEG[marker]) throw jpegRefused(`is ${OTHER_JPEG[marker]}`);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      const [bits, height, width] = [view.getUint8(body), view.getUint16(body + 1), view.getUint16(body + 3)];
      if (bits !== 8) throw jpegRefused(`has ${bits} bits a sample`);
      if (height === 0) throw jpegRefused('states its height only behind the pixels');
      return { height, width, orientation: orientation ?? 1 };
    }
    const isExif = marker === 0xe1 && end >= body + 6 && textAt(bytes, body, 4) === 'Exif';
    if (isExif) orientation ??= exifOrientation(bytes.subarray(body, end));
  }
  throw new RangeError('no frame header');
}

function jpegRefused(what: string): AppError {
  return new AppError(
    'unsupported-media-type',
    `The JPEG file ${what}, which is not read here; save it as JPEG of the usual kind, or as PNG.`,
  );
}
