import { textAt } from './byte-view.ts';
import { refuseRawBeginning } from './camera-raw.ts';
import type { ColorEncoding } from './color-encoding.ts';
import { AppError } from './error.ts';
import { nameKind } from './file-kinds.ts';
import { readBrands, readHeifSize } from './heif-header.ts';
import { readGifSize, readWebpSize, type StoredSize } from './image-header.ts';
import { readJpegSize } from './jpeg-header.ts';
import type { Limits } from './limits.ts';
import { swapsSides } from './orientation.ts';
import { readPngSize } from './png-header.ts';
import { readTiffSize } from './tiff-header.ts';

export const INPUT_FORMATS = ['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff', 'heic'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

/** The header of an image, with the size as it is seen (orientation applied). */
export interface ImageHeader {
  format: InputFormat;
  width: number;
  height: number;
  /** EXIF orientation 1..8 of the stored pixels; decoders of AVIF and HEIC hand them out upright by themselves. */
  orientation: number;
  /** By numbers in the file; a profile, where there is one, says more unless they come before it. */
  colors?: ColorEncoding;
  /** Colors are stored multiplied by alpha (AVIF, HEIC). */
  premultiplied?: true;
}

/**
 * Reads format and size from the bytes themselves; the type that the sender claimed plays no part.
 * `bytes`: all of the file, since PNG and WebP may state the orientation, and TIFF the size, at the very end.
 * For JPEG and GIF a beginning is enough if it is not refused as cut off.
 * Throws `unsupported-media-type`, `image-unreadable` or `hdr-unsupported`.
 */
export function readImageHeader(bytes: Uint8Array, accepted: Pick<Limits, 'heic'> = {}): ImageHeader {
  const format = sniffFormat(bytes, accepted);
  const { width, height, orientation, ...more } = readSize(format, bytes);
  if (!(width > 0 && height > 0)) {
    throw new AppError(
      'image-unreadable',
      `The ${format} header says ${width}×${height} pixels; at least 1×1 is needed.`,
    );
  }
  const turned = swapsSides(orientation);
  return { format, width: turned ? height : width, height: turned ? width : height, orientation, ...more };
}

const READERS: Record<InputFormat, (bytes: Uint8Array) => StoredSize> = {
  jpeg: readJpegSize,
  png: readPngSize,
  webp: readWebpSize,
  avif: readHeifSize,
  gif: readGifSize,
  tiff: readTiffSize,
  heic: readHeifSize,
};

function readSize(format: InputFormat, bytes: Uint8Array): StoredSize {
  try {
    return READERS[format](bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new AppError('image-unreadable', `The ${format} header is damaged or cut off (${bytes.length} bytes read).`, {
      cause: error,
    });
  }
}

/** By its first bytes. Throws `unsupported-media-type` for all that is none of the accepted formats. */
export function sniffFormat(bytes: Uint8Array, { heic = false }: Pick<Limits, 'heic'> = {}): InputFormat {
  if (bytes.length === 0) throw new AppError('image-unreadable', 'The file is empty (0 bytes).');
  refuseRawBeginning(bytes);
  const start = textAt(bytes, 0, 16);
  if (start.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (start.startsWith('GIF87a') || start.startsWith('GIF89a')) return 'gif';
  if (start.startsWith('RIFF') && start.slice(8, 12) === 'WEBP') return 'webp';
  if (start.startsWith('II*\0') || start.startsWith('MM\0*')) return 'tiff';
  const brands = readBrands(bytes);
  if (brands.some((brand) => AVIF_BRANDS.test(brand))) return 'avif';
  if (!brands.some((brand) => HEIC_BRANDS.test(brand))) {
    throw new AppError('unsupported-media-type', `The file is ${nameKind(bytes)}; accepted are ${KNOWN_EVERYWHERE}.`);
  }
  if (!heic) throw heicRefused();
  return 'heic';
}

const AVIF_BRANDS = /^avi[fs]$/;
const HEIC_BRANDS = /^(hei[cxms]|hev[cxms]|mif1|msf1)$/;
const KNOWN_EVERYWHERE = INPUT_FORMATS.filter((format) => format !== 'heic').join(', ');

function heicRefused(): AppError {
  return new AppError(
    'unsupported-media-type',
    'The file is HEIC, which is off here, so it must be converted to JPEG first (iPhone: Settings > Camera > Formats > ' +
      'Most Compatible). The operator of the service can switch it on: HEIC=on.',
  );
}

/** The check that comes before decoding. Throws `image-too-large`. */
export function checkInputPixels({ width, height }: { width: number; height: number }, limits: Limits): void {
  const pixels = width * height;
  const most = limits.max_input_pixels;
  if (pixels <= most) return;
  const share = Math.sqrt(most / pixels);
  throw new AppError(
    'image-too-large',
    `The image has ${width}×${height} = ${pixels} pixels; max_input_pixels is ${most}. Made ${Math.floor(width * share)}×${Math.floor(height * share)} or smaller, it would be taken.`,
  );
}
