import type { Metadata as SharpMetadata } from 'sharp';
import { withoutExifPrefix } from '../../shared/image-header.ts';
import { MIME, type OutputFormat } from '../../shared/output-format.ts';
import { openTiff, readDirectory } from '../../shared/tiff.ts';
import type { Beside, Text } from './beside/beside.ts';
import { type MetadataChanges, patchExif } from './exif.ts';
import { createDensityExif, type Density, exifDensity } from './exif-density.ts';
import type { EncodeOptions, Metadata, Pixels } from './image.ts';
import { MAX_IPTC_BYTES, readIptc } from './iptc.ts';
import { rgbProfileOfGray } from './stated-profile.ts';
import { mergeXmp, parseXmp } from './xmp/packet.ts';
import { namesPlace, patchXmp, withDigitalSource } from './xmp.ts';

/** Pixels per inch, more than any scanner has. Four times as many are the most that JPEG can tell, in 16 bits. */
const MAX_DENSITY = 16_383;
/** Across and down, as shares of one another: the error of rounding. */
const SQUARE = 0.01;

type Found = Pick<SharpMetadata, 'exif' | 'xmp' | 'iptc'> & { icc?: Uint8Array | undefined };

/** Others store gray as color. */
const GRAY_FORMATS: readonly OutputFormat[] = ['png', 'jpeg', 'tiff'];

/**
 * Takes the metadata beside the pixels. A part that cannot be read is left out with a note; it never fails a job.
 * `found`: by libvips.
 */
export function readMetadata(found: Found, channels: 1 | 3, notes: string[], beside: Beside = { lost: [] }): Metadata {
  const metadata: Metadata = {};
  if (found.icc) {
    if (isProfileFor(found.icc, channels)) metadata.icc = found.icc;
    else notes.push(`The color profile is damaged or not for ${channels === 1 ? 'grey' : 'RGB'}; it was left out.`);
  }
  const exif = found.exif ?? beside.exif;
  if (exif) {
    const block = withoutExifPrefix(exif);
    const tiff = openTiff(block);
    if (tiff && readDirectory(tiff, tiff.firstDirectory)) metadata.exif = block;
    else notes.push('The EXIF data is damaged; it was left out.');
  }
  const xmp = beside.xmp ?? found.xmp;
  if (xmp) {
    if (parseXmp(xmp)) metadata.xmp = joinXmp(xmp, beside.xmpExtension, notes);
    else notes.push('The XMP data is damaged; it was left out.');
  }
  const density = readDensity((metadata.exif && exifDensity(metadata.exif)) ?? beside.density, notes);
  if (density !== undefined) metadata.density = density;
  const captions = found.iptc ?? beside.iptc;
  const iptc = captions && readIptc(captions);
  if (iptc) metadata.iptc = iptc;
  if (beside.texts && beside.texts.length > 0) metadata.texts = beside.texts;
  notes.push(...beside.lost);
  return metadata;
}

/** With the part that did not fit into the first packet, where it fits into the result. */
function joinXmp(xmp: Uint8Array, extension: Uint8Array | undefined, notes: string[]): Uint8Array {
  const joined = extension && mergeXmp(xmp, extension);
  if (extension && !joined)
    notes.push('The second, extended part of the XMP data is damaged or too large; it is not kept.');
  return joined ?? xmp;
}

/** ICC.1:2022 section 7.2: size, color space of the data, signature. */
function isProfileFor(icc: Uint8Array, channels: 1 | 3): boolean {
  const text = (at: number) => String.fromCharCode(...icc.subarray(at, at + 4));
  if (icc.length < 132 || text(36) !== 'acsp') return false;
  const size = new DataView(icc.buffer, icc.byteOffset, icc.length).getUint32(0);
  return size >= 132 && size <= icc.length && text(16) === (channels === 1 ? 'GRAY' : 'RGB ');
}

function readDensity(density: Density | undefined, notes: string[]): number | undefined {
  const [across, down] = density ?? [Number.NaN, Number.NaN];
  if (!(across > 0 && down > 0)) return undefined;
  if (Math.max(across, down) > MAX_DENSITY) {
    notes.push(`${Math.round(across)} pixels an inch are not to be believed; the density was left out.`);
    return undefined;
  }
  if (Math.abs(across - down) > SQUARE * across) {
    notes.push(`The pixels are not square (${across} × ${down} an inch); the density was left out.`);
    return undefined;
  }
  return across;
}

/** Metadata for the result. The profile always goes into it, since the colors mean nothing without it. */
export function writableMetadata(
  metadata: Metadata,
  { width, height, channels }: Omit<Pixels, 'data'>,
  options: EncodeOptions,
  notes: string[],
): Metadata {
  const { format } = options;
  const writable: Metadata = {};
  if (metadata.icc) {
    const fits = channels === 3 || GRAY_FORMATS.includes(format);
    const icc = fits ? metadata.icc : rgbProfileOfGray(metadata.icc);
    if (icc) writable.icc = icc;
    else notes.push(`${format} stores grey as color, so the grey profile was left out.`);
  }
  if (options.metadata === 'strip') return writable;
  const { density, placement } = metadata;
  if (density !== undefined) writable.density = density;

  const changes: MetadataChanges = {
    width,
    height,
    density,
    placement,
    stripLocation: options.metadata === 'strip_location',
    hasProfile: writable.icc !== undefined,
    channels,
    mime: MIME[format],
  };
  if (metadata.exif) {
    const exif = patchExif(metadata.exif, changes);
    if (exif) writable.exif = exif;
    else notes.push('The EXIF data is damaged or too large; it could not be kept.');
  } else if (density !== undefined && !HAS_DENSITY.includes(format)) {
    writable.exif = createDensityExif(density);
  }
  // Where EXIF says it, JPEG does not say it again.
  if (format === 'jpeg' && writable.exif && exifDensity(writable.exif)) delete writable.density;
  const xmp = writableXmp(metadata, changes, notes);
  const labeled = options.source ? withDigitalSource(xmp, options.source) : xmp;
  if (labeled) writable.xmp = labeled;
  addWords(writable, metadata, options, notes);
  return writable;
}

/** The others have EXIF alone to say it. */
const HAS_DENSITY: string[] = ['png', 'jpeg', 'tiff'];

function writableXmp({ xmp }: Metadata, changes: MetadataChanges, notes: string[]): Uint8Array | undefined {
  const patched = xmp && patchXmp(xmp, changes, notes);
  if (xmp && !patched) notes.push('The XMP data is damaged or too large; it could not be kept.');
  if (patched && changes.stripLocation && namesPlace(new TextDecoder().decode(patched))) {
    notes.push('The XMP data names a place; it was removed as a whole.');
    return undefined;
  }
  return patched;
}

const HAS_IPTC: string[] = ['jpeg', 'tiff'];

/** The only one that JPEG has a place for. */
const COMMENT = 'Comment';

/** Texts and captions where the format has a place for them, and a note where it has none. */
function addWords(writable: Metadata, { texts = [], iptc }: Metadata, options: EncodeOptions, notes: string[]): void {
  const { format, metadata } = options;
  if (metadata === 'strip_location' && (texts.length > 0 || iptc)) {
    notes.push('Texts and captions beside EXIF and XMP may name a place; they were left out.');
    return;
  }
  const kept = texts.filter(({ keyword }) => format === 'png' || (format === 'jpeg' && keyword === COMMENT));
  if (kept.length > 0) writable.texts = kept;
  if (kept.length < texts.length)
    notes.push(
      textsLost(
        texts.filter((text) => !kept.includes(text)),
        format,
      ),
    );
  if (iptc && HAS_IPTC.includes(format) && iptc.length <= MAX_IPTC_BYTES) writable.iptc = iptc;
  else if (iptc) notes.push('Captions in the old IPTC-IIM form are not kept; those in XMP are.');
}

const MOST_NAMED = 5;

function textsLost(texts: Text[], format: string): string {
  const keywords = [...new Set(texts.map(({ keyword }) => keyword))];
  const named = keywords.slice(0, MOST_NAMED).join(', ') + (keywords.length > MOST_NAMED ? ' and others' : '');
  return `${format} has no place for texts of this kind; they were left out: ${named}.`;
}
