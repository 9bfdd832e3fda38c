import { readFile } from 'node:fs/promises';
import sharp, { type Sharp, type Metadata as SharpMetadata } from 'sharp';
import { AppError } from '../../shared/error.ts';
import { checkInputPixels, type ImageHeader, readImageHeader } from '../../shared/image-format.ts';
import type { Limits } from '../../shared/limits.ts';
import { swapsSides } from '../../shared/orientation.ts';
import { divideByAlpha } from './alpha.ts';
import { readBeside } from './beside/read-beside.ts';
import { ROTTEN } from './damage/damage.ts';
import { inspectFile, MAX_LOST_SHARE } from './damage/inspect.ts';
import { decodeHeic } from './heic.ts';
import type { DecodedImage } from './image.ts';
import { countJpegScans } from './jpeg-scans.ts';
import { readMetadata } from './metadata.ts';
import { orientPixels } from './orient.ts';
import { openPhoto, otherPictures } from './pages.ts';
import { emptyShare, readSamples, type SampleLayout, type Samples, sampleLayout, translucency } from './samples.ts';
import { statedProfile } from './stated-profile.ts';

/** Encoders make ten or so. */
const MAX_JPEG_SCANS = 100;
/** They hand out AVIF and HEIC upright. */
const TURNED_BY_DECODER = ['avif', 'heic'];
/** Of TIFF: color, transparency, and selections that were saved with it. */
const MAX_CHANNELS = 8;

// libvips reads more than photos (SVG, its own format): a format that is not accepted has no loader either.
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
    throw error instanceof AppError ? error : explain(error, header);
  }
}

/** A few hundred KB would else keep a core busy until the engine is taken for stalled. */
function checkJpegScans(bytes: Buffer): void {
  if (countJpegScans(bytes, MAX_JPEG_SCANS) <= MAX_JPEG_SCANS) return;
  throw new AppError('image-unreadable', `The JPEG file has more than ${MAX_JPEG_SCANS} scans.`);
}

/** Errors of libvips about files that are sound, but beyond it. */
const NOT_READ = /not (configured|implemented|supported)|unsupported (jpeg|codec|feature|image type)|channel limit/i;
const TOO_LARGE = /pixel limit|security limit/i;

/** Damaged, unknown and too large are three different things. */
function explain(error: unknown, { format }: ImageHeader): AppError {
  const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
  const text = reason ?? '';
  if (TOO_LARGE.test(text)) return new AppError('image-too-large', `The ${format} picture is too large: ${reason}.`);
  if (NOT_READ.test(text)) {
    return new AppError('unsupported-media-type', `The ${format} file has a feature that is not supported: ${reason}.`);
  }
  return new AppError('image-unreadable', `The ${format} data is damaged or cut off: ${reason}.`, { cause: error });
}

async function decode(file: Buffer, header: ImageHeader, limits: Limits): Promise<DecodedImage> {
  const { format, orientation } = header;
  const notes: string[] = [];
  const { bytes, isDamaged } = await inspectFile(file, format, notes);
  const source = openPhoto(bytes, header);
  const open: Open = (failOn, ignoreIcc = true) =>
    sharp(source.bytes, {
      ...source.options,
      failOn,
      ignoreIcc,
      limitInputPixels: limits.max_input_pixels,
      limitInputChannels: MAX_CHANNELS,
    });
  const found = await open(isDamaged ? 'none' : 'error').metadata();
  const layout = sampleLayout(found, bytes, header);
  const { pixels: samples, alpha } = await readPhoto(open, layout, found, { bytes, isDamaged, header, notes });
  // libvips divides those of TIFF itself.
  const pixels = alpha && header.premultiplied ? divideByAlpha(samples, alpha) : samples;
  const turn = TURNED_BY_DECODER.includes(format) ? 1 : orientation;
  const upright = orientPixels(pixels, turn);
  if (upright.width !== header.width || upright.height !== header.height) {
    throw new AppError(
      'image-unreadable',
      `The ${format} header says ${header.width}×${header.height} pixels, but the picture has ${upright.width}×${upright.height}.`,
    );
  }

  if (layout.converted) notes.push(`The colours were converted from ${found.space.toUpperCase()} to sRGB.`);
  if (layout.others > 0)
    notes.push(`Channels that are neither color nor transparency (${layout.others}) were left out.`);
  const others = otherPictures(bytes, header, found.pages ?? 1);
  if (others) notes.push(others);
  const beside = readBeside(file, header);
  const embedded = found.icc ?? beside.icc;
  const icc = layout.converted ? undefined : colorProfile(header, pixels.channels, embedded, notes);
  const metadata = readMetadata({ ...found, icc }, pixels.channels, notes, beside);
  const stored = swapsSides(orientation) ? { width: header.height, height: header.width } : header;
  const placement = { stored: { width: stored.width, height: stored.height }, orientation };
  const decoded: DecodedImage = { format, pixels: upright, metadata: { ...metadata, placement }, notes };
  if (alpha) decoded.alpha = orientPixels(alpha, turn);
  return decoded;
}

/** A pipeline of the photo as it is stored. */
type Open = (failOn: 'none' | 'error', ignoreIcc?: boolean) => Sharp;

interface Source {
  bytes: Uint8Array;
  isDamaged: boolean;
  header: ImageHeader;
  notes: string[];
}

async function readPhoto(open: Open, layout: SampleLayout, found: SharpMetadata, source: Source): Promise<Samples> {
  const { bytes, isDamaged, header, notes } = source;
  if (header.format === 'heic') {
    const hasProfile = found.icc !== undefined || header.colors !== undefined;
    const { pixels, alpha } = await decodeHeic(bytes, header, { hasProfile, hasAlpha: found.hasAlpha });
    return { pixels, alpha: alpha && translucency(alpha) };
  }
  // Not 'truncated', which lets TIFF files pass whose end is missing.
  const read = (failOn: 'none' | 'error') => readSamples(() => open(failOn, !layout.converted), layout);
  // Gaps in a JPEG are warnings only; its errors leave nothing to look at.
  if (header.format !== 'tiff') return read(isDamaged && header.format !== 'jpeg' ? 'none' : 'error');
  try {
    return await read('error');
  } catch (error) {
    // libtiff leaves parts empty that it cannot read.
    const samples = await read('none');
    if (emptyShare(samples.pixels) > MAX_LOST_SHARE) throw error;
    if (!isDamaged) notes.push(`The file is damaged: ${ROTTEN}.`);
    return samples;
  }
}

/** The color profile of the file, which may state it by numbers. */
function colorProfile(
  { colors }: ImageHeader,
  channels: 1 | 3,
  icc: Uint8Array | undefined,
  notes: string[],
): Uint8Array | undefined {
  if (!colors || (icc && !colors.beforeProfile)) return icc;
  try {
    return statedProfile(colors, channels);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    notes.push(
      `The numbers that say what the colors mean are not to be believed (${error.message}); they were left out.`,
    );
    return icc;
  }
}
