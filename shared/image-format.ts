import { AppError } from './error.ts';
import { readBrands, readHeifSize } from './heif-header.ts';
import {
  readGifSize,
  readJpegSize,
  readPngSize,
  readTiffSize,
  readWebpSize,
  type StoredSize,
  textAt,
} from './image-header.ts';
import type { Limits } from './limits.ts';

export const INPUT_FORMATS = ['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff', 'heic'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

export const OUTPUT_FORMATS = ['png', 'jpeg', 'webp', 'avif'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Unless one is asked for. PNG loses nothing; who sends HEIC cares for small files, and a JPEG is shown everywhere. */
export function defaultOutputFormat(input: InputFormat | undefined): OutputFormat {
  return input === 'heic' ? 'jpeg' : 'png';
}

/** Longest side that the format (PNG, JPEG, WebP) or its encoder (AVIF) can hold, in pixels. */
const MAX_SIDE: Record<OutputFormat, number> = { png: 2 ** 31 - 1, jpeg: 65_535, webp: 16_383, avif: 16_384 };

export const MIME: Record<OutputFormat, string> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  avif: 'image/avif',
};

/** What the header of an image says, with the size as it is seen (orientation applied). */
export interface ImageHeader {
  format: InputFormat;
  width: number;
  height: number;
  /** EXIF orientation 1..8 of the stored pixels; AVIF and HEIC decoders turn the picture by themselves, so 1 there. */
  orientation: number;
  /** The numbers of the file say so; a profile, where there is one, says more. */
  displayP3?: true;
}

/**
 * Reads format and size from the bytes themselves; the type that the sender claimed plays no part.
 * `bytes`: all of the file, since PNG and WebP may state the orientation, and TIFF the size, at the very end.
 * For JPEG and GIF a beginning is enough if it is not refused as cut off.
 * Throws `unsupported-media-type`, `image-unreadable` or `hdr-unsupported`.
 */
export function readImageHeader(bytes: Uint8Array, { heic = false }: Pick<Limits, 'heic'> = {}): ImageHeader {
  if (bytes.length === 0) throw new AppError('image-unreadable', 'The file is empty (0 bytes).');
  const format = sniff(bytes);
  if (format === 'heic' && !heic) throw heicRefused();
  const { width, height, orientation, ...colors } = readSize(format, bytes);
  if (!(width > 0 && height > 0)) {
    throw new AppError(
      'image-unreadable',
      `The ${format} header says ${width}×${height} pixels; at least 1×1 is needed.`,
    );
  }
  const turned = orientation >= 5;
  return { format, width: turned ? height : width, height: turned ? width : height, orientation, ...colors };
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

function sniff(bytes: Uint8Array): InputFormat {
  const start = textAt(bytes, 0, 16);
  if (start.startsWith('\xff\xd8\xff')) return 'jpeg';
  if (start.startsWith('\x89PNG\r\n\x1a\n')) return 'png';
  if (start.startsWith('GIF87a') || start.startsWith('GIF89a')) return 'gif';
  if (start.startsWith('RIFF') && start.slice(8, 12) === 'WEBP') return 'webp';
  if (start.startsWith('II*\0') || start.startsWith('MM\0*')) return 'tiff';
  const brands = readBrands(bytes);
  if (brands.includes('avif')) return 'avif';
  if (brands.some((brand) => HEIC_BRANDS.test(brand))) return 'heic';
  throw new AppError('unsupported-media-type', `The file is ${kindOf(start)}; accepted are ${KNOWN_EVERYWHERE}.`);
}

const HEIC_BRANDS = /^(hei[cxms]|hev[cx]|mif1|msf1)$/;
const KNOWN_EVERYWHERE = INPUT_FORMATS.filter((format) => format !== 'heic').join(', ');

function heicRefused(): AppError {
  return new AppError(
    'unsupported-media-type',
    'The file is HEIC, which is off here, so it must be converted to JPEG first (iPhone: Settings > Camera > Formats > ' +
      'Most Compatible). Who runs the service can switch it on: HEIC=on.',
  );
}

/** What a file that is refused seems to be, in the words of its sender. */
function kindOf(start: string): string {
  if (start.startsWith('%PDF')) return 'a PDF';
  if (/^\s*<(svg|\?xml|!)/i.test(start)) return 'SVG, XML or HTML';
  if (start.startsWith('BM')) return 'BMP';
  if (start.startsWith('II+') || start.startsWith('MM\0+')) return 'BigTIFF';
  return 'not an image of a kind that is known here';
}

/** The size of the result: exactly `scale` times the input, rounded to whole pixels, at least 1×1. */
export function outputSize(input: { width: number; height: number }, scale: number): { width: number; height: number } {
  return { width: Math.max(1, Math.round(input.width * scale)), height: Math.max(1, Math.round(input.height * scale)) };
}

/** The check that comes before decoding. */
export function checkInputPixels(input: { width: number; height: number }, limits: Limits): void {
  const pixels = input.width * input.height;
  if (pixels <= limits.max_input_pixels) return;
  throw new AppError(
    'image-too-large',
    `The image has ${input.width}×${input.height} = ${pixels} pixels; max_input_pixels is ${limits.max_input_pixels}.`,
  );
}

/** Checks that come before any work: input pixels, output pixels, longest side of the output format. */
export function checkSizes(
  input: { width: number; height: number },
  scale: number,
  format: OutputFormat,
  limits: Limits,
): void {
  checkInputPixels(input, limits);
  const output = outputSize(input, scale);
  const outputPixels = output.width * output.height;
  if (outputPixels > limits.max_output_pixels) {
    throw new AppError(
      'output-too-large',
      `The result would have ${output.width}×${output.height} = ${outputPixels} pixels; max_output_pixels is ${limits.max_output_pixels}. Choose a smaller scale.`,
      { errors: [{ pointer: '#/scale', message: 'makes the result too large' }] },
    );
  }
  const side = Math.max(output.width, output.height);
  if (side > MAX_SIDE[format]) {
    const fitting = OUTPUT_FORMATS.filter((other) => side <= MAX_SIDE[other]).join(', ');
    throw new AppError(
      'output-too-large',
      `The result would be ${output.width}×${output.height}; ${format} holds at most ${MAX_SIDE[format]} pixels a side. Formats that fit: ${fitting}.`,
      { errors: [{ pointer: '#/format', message: 'cannot hold the result', expected: fitting }] },
    );
  }
}
