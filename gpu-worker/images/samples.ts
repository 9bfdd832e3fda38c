import type { Sharp, Metadata as SharpMetadata } from 'sharp';
import { AppError } from '../../shared/error.ts';
import type { ImageHeader } from '../../shared/image-format.ts';
import { entryOf, openTiff, readNumbers } from '../../shared/tiff.ts';
import { readTiffPhoto } from '../../shared/tiff-header.ts';
import { unitOf } from './bit-depth.ts';
import type { Pixels } from './image.ts';

/** The samples of a photo as libvips gives them, divided into color, transparency and the rest. */

/** Spaces whose numbers are taken as they are; all others (CMYK, Lab) are converted to sRGB. */
const KEPT_SPACES = { srgb: 3, rgb16: 3, 'b-w': 1, grey16: 1 } as const;
const CONVERTED_SPACES: Record<string, number> = { cmyk: 4, lab: 3, labs: 3 };

export interface SampleLayout {
  space: keyof typeof KEPT_SPACES;
  /** Of color, as they come out. */
  channels: 1 | 3;
  converted: boolean;
  /** Which channel that comes out is the transparency. */
  alpha?: number;
  /** That come out, and mean neither. */
  others: number;
}

/** Throws `unsupported-media-type`. */
export function sampleLayout(found: SharpMetadata, bytes: Uint8Array, { format }: ImageHeader): SampleLayout {
  const { space, depth, channels } = found;
  const stored = CONVERTED_SPACES[space];
  const integers = depth === 'uchar' || depth === 'ushort';
  const kept = integers && Object.hasOwn(KEPT_SPACES, space) ? (space as keyof typeof KEPT_SPACES) : undefined;
  if (stored === undefined && !kept) {
    throw new AppError(
      'unsupported-media-type',
      `The samples are ${channels} × ${depth} (${space}); accepted are 8 or 16 bit gray and RGB with or without alpha, CMYK and Lab.`,
    );
  }
  const colors = kept ? KEPT_SPACES[kept] : 3;
  const extra = channels - (stored ?? colors);
  const alpha = format === 'tiff' ? tiffAlpha(bytes, extra) : extra - 1;
  return {
    space: kept ?? 'srgb',
    channels: colors,
    converted: !kept,
    ...(alpha >= 0 && { alpha: colors + alpha }),
    others: extra - (alpha >= 0 ? 1 : 0),
  };
}

const EXTRA_SAMPLES = 338;
const UNSPECIFIED = 0;

/** TIFF 6.0 section 18: which of the extra samples says how opaque a pixel is; -1 if none does. */
function tiffAlpha(bytes: Uint8Array, extra: number): number {
  const tiff = openTiff(bytes);
  const entry = entryOf(readTiffPhoto(bytes).directory, EXTRA_SAMPLES);
  if (!tiff || !entry) return extra === 1 ? 0 : -1; // a writer that forgot to say so means alpha
  return readNumbers(tiff, entry)
    .slice(0, extra)
    .findIndex((meaning) => meaning !== UNSPECIFIED);
}

export interface Samples {
  pixels: Pixels;
  /** As deep as `pixels`; absent if nothing shows through. */
  alpha: Pixels | undefined;
}

/** `open`: a pipeline of the photo with all its channels, anew. */
export async function readSamples(open: () => Sharp, layout: SampleLayout): Promise<Samples> {
  const { channels, alpha } = layout;
  const colors = await readRaw(open(), layout);
  if (alpha === undefined) return { pixels: pick(colors, 0, channels), alpha: undefined };
  // Of gray, libvips gives the first channel alone.
  const hasAlpha = colors.stride > alpha;
  const opacity = hasAlpha
    ? pick(colors, alpha, 1)
    : pick(await readRaw(open().extractChannel(alpha as 1), layout), 0, 1);
  return { pixels: pick(colors, 0, channels), alpha: translucency(opacity) };
}

async function readRaw(pipeline: Sharp, { space }: SampleLayout): Promise<Interleaved> {
  const sixteenBit = space === 'rgb16' || space === 'grey16';
  const { data, info } = await pipeline
    .toColourspace(space)
    .raw({ depth: sixteenBit ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const samples = sixteenBit
    ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
    : new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { width: info.width, height: info.height, stride: info.channels, data: samples };
}

interface Interleaved {
  width: number;
  height: number;
  stride: number;
  data: Uint8Array | Uint16Array;
}

function pick({ width, height, stride, data }: Interleaved, first: number, channels: 1 | 3): Pixels {
  if (stride === channels) return { width, height, channels, data };
  const length = width * height * channels;
  const picked = data instanceof Uint16Array ? new Uint16Array(length) : new Uint8Array(length);
  for (let from = first, to = 0; to < length; from += stride) {
    for (let c = 0; c < channels; c++) picked[to++] = data[from + c]!;
  }
  return { width, height, channels, data: picked };
}

/** Undefined if every pixel is opaque. */
export function translucency(alpha: Pixels): Pixels | undefined {
  const opaque = 255 * unitOf(alpha.data);
  return alpha.data.every((value) => value === opaque) ? undefined : alpha;
}

/** Share of the rows that are black or white from end to end. */
export function emptyShare({ width, height, channels, data }: Pixels): number {
  const most = 255 * unitOf(data);
  let empty = 0;
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width * channels, (y + 1) * width * channels);
    const first = row[0];
    if ((first === 0 || first === most) && row.every((value) => value === first)) empty++;
  }
  return empty / height;
}
