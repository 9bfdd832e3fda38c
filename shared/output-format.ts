import type { InputFormat } from './image-format.ts';

/** File formats of results. */

export const OUTPUT_FORMATS = ['png', 'jpeg', 'webp', 'avif', 'tiff'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Endings of file names where the format's name is longer; taken for it wherever a format is named. */
const SHORT_NAMES = { jpg: 'jpeg', tif: 'tiff' } as const;
type ShortName = keyof typeof SHORT_NAMES;

/** All that a format may be called. */
export const FORMAT_NAMES = [...OUTPUT_FORMATS, ...(Object.keys(SHORT_NAMES) as ShortName[])] as const;

export function formatNamed(name: (typeof FORMAT_NAMES)[number]): OutputFormat {
  return SHORT_NAMES[name as ShortName] ?? name;
}

/** Of a file's name, without the dot. */
export function fileEnding(format: InputFormat): string {
  return Object.entries(SHORT_NAMES).find(([, name]) => name === format)?.[0] ?? format;
}

export const MIME: Record<OutputFormat, string> = {
  png: 'image/png',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  avif: 'image/avif',
  tiff: 'image/tiff',
};

/** Longest side that the format or its encoder (libjpeg, libwebp, libheif) can write, in pixels. */
export const MAX_SIDE: Record<OutputFormat, number> = {
  png: 2 ** 31 - 1,
  jpeg: 65_500,
  webp: 16_383,
  avif: 16_384,
  tiff: 2 ** 31 - 1,
};

/** Offsets in a TIFF file have 32 bits, and a pixel may take 8 bytes. */
export const MAX_PIXELS: Partial<Record<OutputFormat, number>> = { tiff: 2 ** 29 - 2 ** 20 };

/** Bits of a color in a pixel. */
export const BIT_DEPTHS = [8, 16] as const;
export type BitDepth = (typeof BIT_DEPTHS)[number];

/** Those that hold 16 bits. */
export const DEEP_FORMATS: readonly OutputFormat[] = ['png', 'tiff'];

/**
 * Unless one is asked for. PNG loses nothing; senders of HEIC care for small files, unless for 16 bits, and a JPEG is
 * shown everywhere.
 */
export function defaultOutputFormat(input: InputFormat | undefined, bitDepth: BitDepth = 8): OutputFormat {
  return input === 'heic' && bitDepth === 8 ? 'jpeg' : 'png';
}

/** Whether every browser shows it. */
export function isShownByBrowsers(format: InputFormat | OutputFormat): boolean {
  return format !== 'tiff' && format !== 'heic';
}
