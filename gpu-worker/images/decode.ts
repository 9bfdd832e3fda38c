import { readFile } from 'node:fs/promises';
import sharp, { type Sharp, type Metadata as SharpMetadata } from 'sharp';
import { AppError } from '../../shared/error.ts';
import { checkInputPixels, type ImageHeader, readImageHeader } from '../../shared/image-format.ts';
import type { Limits } from '../../shared/limits.ts';
import { displayP3Profile } from './display-p3.ts';
import { decodeHeic } from './heic.ts';
import type { DecodedImage, Pixels } from './image.ts';
import { countJpegScans } from './jpeg-scans.ts';
import { GAIN_MAP_NOTE, readMetadata } from './metadata.ts';
import { orientPixels } from './orient.ts';

/** Spaces whose numbers are taken as they are; all others (CMYK, Lab) are converted to sRGB. */
const KEPT_SPACES = { srgb: 3, rgb16: 3, 'b-w': 1, grey16: 1 } as const;
const CONVERTED_SPACES = ['cmyk', 'lab', 'labs'];
/** Names the auxiliary picture that brightens HEIC on HDR screens. */
const APPLE_GAIN_MAP = 'urn:com:apple:photo:2020:aux:hdrgainmap';
/** Encoders make ten or so. */
const MAX_JPEG_SCANS = 100;

// libvips reads more than photos (SVG, its own format): what is not accepted has no loader either.
const LOADERS = ['Jpeg', 'Png', 'Webp', 'Heif', 'Nsgif', 'Tiff'].map((name) => `VipsForeignLoad${name}`);
sharp.block({ operation: ['VipsForeignLoad'] });
sharp.unblock({ operation: LOADERS });

/**
 * Reads a photo upright, in its own colour encoding: RGB and grey values are not converted, their profile is returned.
 * Throws `unsupported-media-type`, `hdr-unsupported`, `image-too-large` or `image-unreadable`.
 */
export async function decodeImage(path: string, limits: Limits): Promise<DecodedImage> {
  const bytes = await readFile(path);
  const header = readImageHeader(bytes, limits);
  checkInputPixels(header, limits);
  if (header.format === 'jpeg') checkJpegScans(bytes);
  try {
    return await decode(bytes, header, limits);
  } catch (error) {
    if (error instanceof AppError) throw error;
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new AppError('image-unreadable', `The ${header.format} data is damaged or cut off: ${reason}.`, {
      cause: error,
    });
  }
}

/** A few hundred KB would else keep a core busy until the engine is taken for stalled. */
function checkJpegScans(bytes: Buffer): void {
  if (countJpegScans(bytes, MAX_JPEG_SCANS) <= MAX_JPEG_SCANS) return;
  throw new AppError('image-unreadable', `The JPEG file has more than ${MAX_JPEG_SCANS} scans.`);
}

async function decode(bytes: Buffer, header: ImageHeader, limits: Limits): Promise<DecodedImage> {
  const notes: string[] = [];
  // 'error' and not 'truncated': the latter lets TIFF files pass whose end is missing.
  const open = (ignoreIcc: boolean) =>
    sharp(bytes, { failOn: 'error', limitInputPixels: limits.max_input_pixels, ignoreIcc });
  const found = await open(true).metadata();
  const source = sourceFormat(found);
  const hasIcc = found.icc !== undefined;
  const { pixels, alpha } =
    header.format === 'heic'
      ? await decodeHeic(bytes, header, { hasProfile: hasIcc || header.displayP3 === true, hasAlpha: found.hasAlpha })
      : await readSamples(() => open(!source.converted).toColourspace(source.space), source, found.hasAlpha);
  const translucent = alpha && translucency(alpha);
  const upright = orientPixels(pixels, header.orientation);
  if (upright.width !== header.width || upright.height !== header.height) {
    throw new AppError(
      'image-unreadable',
      `The ${header.format} header says ${header.width}×${header.height} pixels, but the picture has ${upright.width}×${upright.height}.`,
    );
  }

  if (source.converted) {
    notes.push(`The colours were converted from ${found.space.toUpperCase()} to sRGB.`);
    delete found.icc;
  }
  if (header.displayP3 && !hasIcc && pixels.channels === 3) found.icc = await displayP3Profile();
  const frames = found.pages ?? animatedPngFrames(bytes, header);
  if (frames > 1) notes.push(`The file holds ${frames} frames or pages; the first one was taken.`);
  if (header.format === 'tiff' && !found.exif) notes.push('Camera data (EXIF) in TIFF files is not kept.');
  if (header.format === 'heic' && bytes.includes(APPLE_GAIN_MAP)) notes.push(GAIN_MAP_NOTE);
  const metadata = readMetadata(found, pixels.channels, notes);
  const decoded: DecodedImage = { format: header.format, pixels: upright, metadata, notes };
  if (translucent) decoded.alpha = orientPixels(translucent, header.orientation);
  return decoded;
}

interface SourceFormat {
  space: keyof typeof KEPT_SPACES;
  channels: 1 | 3;
  converted: boolean;
}

function sourceFormat({ space, depth, channels, hasAlpha }: SharpMetadata): SourceFormat {
  if (CONVERTED_SPACES.includes(space)) return { space: 'srgb', channels: 3, converted: true };
  const integers = depth === 'uchar' || depth === 'ushort';
  const kept = Object.hasOwn(KEPT_SPACES, space) ? (space as keyof typeof KEPT_SPACES) : undefined;
  if (!kept || !integers || channels !== KEPT_SPACES[kept] + (hasAlpha ? 1 : 0)) {
    throw new AppError(
      'image-unreadable',
      `The samples are ${channels} × ${depth} (${space}); accepted are 8 or 16 bit grey and RGB with or without alpha, CMYK and Lab.`,
    );
  }
  return { space: kept, channels: KEPT_SPACES[kept], converted: false };
}

async function readSamples(open: () => Sharp, { space, channels }: SourceFormat, hasAlpha: boolean) {
  const sixteenBit = space === 'rgb16' || space === 'grey16';
  const pixels = await readPixels(open().removeAlpha(), channels, sixteenBit);
  const alpha = hasAlpha ? await readPixels(open().extractChannel('alpha'), 1, sixteenBit) : undefined;
  return { pixels, alpha };
}

async function readPixels(pipeline: Sharp, channels: 1 | 3, sixteenBit: boolean): Promise<Pixels> {
  const { data, info } = await pipeline
    .raw({ depth: sixteenBit ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const samples = sixteenBit
    ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2)
    : new Uint8Array(data.buffer, data.byteOffset, data.length);
  return { width, height, channels, data: samples };
}

/** In 8 bits, or undefined if every pixel is opaque. */
function translucency(alpha: Pixels): Pixels | undefined {
  const data =
    alpha.data instanceof Uint16Array ? Uint8Array.from(alpha.data, (value) => Math.round(value / 257)) : alpha.data;
  return data.every((value) => value === 255) ? undefined : { ...alpha, data };
}

/** libvips reads the default image of an animated PNG and does not tell. acTL comes before the pixels. */
function animatedPngFrames(bytes: Buffer, { format }: ImageHeader): number {
  const control = format === 'png' ? bytes.indexOf('acTL') : -1;
  return control >= 0 && control < bytes.indexOf('IDAT') ? bytes.readUInt32BE(control + 4) : 1;
}
