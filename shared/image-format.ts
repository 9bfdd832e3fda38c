import { imageSize } from 'image-size';
import { AppError } from './error.ts';
import type { Limits } from './limits.ts';

export const INPUT_FORMATS = ['jpeg', 'png', 'webp', 'avif', 'gif', 'tiff'] as const;
export type InputFormat = (typeof INPUT_FORMATS)[number];

export const OUTPUT_FORMATS = ['png', 'jpeg', 'webp', 'avif'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Longest side that the format (PNG, JPEG, WebP) or its encoder (AVIF) can hold, in pixels. */
export const MAX_SIDE: Record<OutputFormat, number> = { png: 2 ** 31 - 1, jpeg: 65_535, webp: 16_383, avif: 16_384 };

export const MIME: Record<OutputFormat, string> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  avif: 'image/avif',
};

/** What the header of an image says, with the size as it is seen (EXIF orientation applied). */
export interface ImageHeader {
  format: InputFormat;
  width: number;
  height: number;
}

const FORMAT_OF: Record<string, InputFormat> = {
  jpg: 'jpeg',
  png: 'png',
  webp: 'webp',
  avif: 'avif',
  gif: 'gif',
  tiff: 'tiff',
};

/**
 * Reads format and size from the bytes themselves; the type that the sender claimed plays no part.
 * `bytes`: the beginning of the file, or all of it.
 * Throws `unsupported-media-type`, `image-unreadable` or `hdr-unsupported`.
 */
export function readImageHeader(bytes: Uint8Array): ImageHeader {
  if (bytes.length === 0) throw new AppError('image-unreadable', 'The file is empty (0 bytes).');
  const size = parse(bytes);
  const format = FORMAT_OF[size.type ?? ''];
  if (!format) {
    const hint = size.type === 'heic' ? ' Convert it to JPEG first (iOS: Settings > Camera > Most Compatible).' : '';
    throw new AppError(
      'unsupported-media-type',
      `The file is ${size.type?.toUpperCase() ?? 'of an unknown kind'}; accepted are ${INPUT_FORMATS.join(', ')}.${hint}`,
    );
  }
  if (!(size.width > 0 && size.height > 0)) {
    throw new AppError('image-unreadable', `The image says it is ${size.width}×${size.height} pixels.`);
  }
  if (format === 'avif') refuseHdr(bytes);
  const turned = (size.orientation ?? 1) >= 5;
  return { format, width: turned ? size.height : size.width, height: turned ? size.width : size.height };
}

function parse(bytes: Uint8Array) {
  try {
    return imageSize(bytes);
  } catch (error) {
    if (error instanceof TypeError && /unsupported file type/.test(error.message)) {
      throw new AppError(
        'unsupported-media-type',
        `The file is not an image that is known here; accepted are ${INPUT_FORMATS.join(', ')}.`,
      );
    }
    throw new AppError('image-unreadable', `The image header is damaged or cut off (${bytes.length} bytes read).`, {
      cause: error,
    });
  }
}

const HDR_TRANSFERS: Record<number, string> = { 16: 'PQ', 18: 'HLG' }; // ITU-T H.273 table 3

/** ISO/IEC 23001-8 colour box `colr`/`nclx`: primaries u16, transfer u16, matrix u16. */
function refuseHdr(bytes: Uint8Array): void {
  const marker = [0x63, 0x6f, 0x6c, 0x72, 0x6e, 0x63, 0x6c, 0x78]; // "colrnclx"
  for (let i = 0; i + 12 <= bytes.length; i++) {
    if (!marker.every((byte, k) => bytes[i + k] === byte)) continue;
    const transfer = HDR_TRANSFERS[(bytes[i + 10]! << 8) | bytes[i + 11]!];
    if (transfer) {
      throw new AppError('hdr-unsupported', `The image is HDR (${transfer} transfer); convert it to SDR first.`);
    }
  }
}

/** The size of the result: exactly `scale` times the input, rounded to whole pixels, at least 1×1. */
export function outputSize(input: { width: number; height: number }, scale: number): { width: number; height: number } {
  return { width: Math.max(1, Math.round(input.width * scale)), height: Math.max(1, Math.round(input.height * scale)) };
}

/** Checks that come before any work: input pixels, output pixels, longest side of the output format. */
export function checkSizes(
  input: { width: number; height: number },
  scale: number,
  format: OutputFormat,
  limits: Limits,
): void {
  const inputPixels = input.width * input.height;
  if (inputPixels > limits.max_input_pixels) {
    throw new AppError(
      'image-too-large',
      `The image has ${input.width}×${input.height} = ${inputPixels} pixels; max_input_pixels is ${limits.max_input_pixels}.`,
    );
  }
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
