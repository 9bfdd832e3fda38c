import type { Metadata as SharpMetadata } from 'sharp';
import { withoutExifPrefix } from '../../shared/image-header.ts';
import { openTiff, readDirectory } from '../../shared/tiff.ts';
import { type MetadataChanges, patchExif } from './exif.ts';
import type { EncodeOptions, Metadata } from './image.ts';
import { namesPlace, patchXmp, readXmp, withDigitalSource } from './xmp.ts';

/** Photoshop image resource 1028: captions, credits and places as IPTC-IIM records. */
const IPTC_RESOURCE = Buffer.from('8BIM\x04\x04', 'latin1');

/** Pixels per inch, more than any scanner has. Four times as many are the most that JPEG can tell, in 16 bits. */
const MAX_DENSITY = 16_383;

export const GAIN_MAP_NOTE = 'The HDR gain map is not kept; the picture itself is.';

/** Takes what travels beside the pixels. What cannot be read is left out with a note; it never fails a job. */
export function readMetadata(found: SharpMetadata, channels: 1 | 3, notes: string[]): Metadata {
  const metadata: Metadata = {};
  if (found.icc) {
    if (isProfileFor(found.icc, channels)) metadata.icc = found.icc;
    else notes.push(`The colour profile is damaged or not for ${channels === 1 ? 'grey' : 'RGB'}; it was left out.`);
  }
  if (found.exif) {
    const exif = withoutExifPrefix(found.exif);
    const tiff = openTiff(exif);
    if (tiff && readDirectory(tiff, tiff.firstDirectory)) metadata.exif = exif;
    else notes.push('The EXIF data is damaged; it was left out.');
  }
  if (found.xmp) {
    if (readXmp(found.xmp) !== undefined) metadata.xmp = found.xmp;
    else notes.push('The XMP data is damaged; it was left out.');
  }
  if (found.density !== undefined) {
    if (found.density <= MAX_DENSITY) metadata.density = found.density;
    else notes.push(`${found.density} pixels an inch are not to be believed; the density was left out.`);
  }
  if (found.iptc?.includes(IPTC_RESOURCE))
    notes.push('Captions in the old IPTC-IIM form are not kept; those in XMP are.');
  if (found.gainMap) notes.push(GAIN_MAP_NOTE);
  return metadata;
}

/** ICC.1:2022 section 7.2: size, colour space of the data, signature. */
function isProfileFor(icc: Uint8Array, channels: 1 | 3): boolean {
  const text = (at: number) => String.fromCharCode(...icc.subarray(at, at + 4));
  if (icc.length < 132 || text(36) !== 'acsp') return false;
  const size = new DataView(icc.buffer, icc.byteOffset, icc.length).getUint32(0);
  return size >= 132 && size <= icc.length && text(16) === (channels === 1 ? 'GRAY' : 'RGB ');
}

/** What goes into the result. The profile always does, since the colours mean nothing without it. */
export function writableMetadata(
  metadata: Metadata,
  channels: 1 | 3,
  options: EncodeOptions,
  notes: string[],
): Metadata {
  const writable: Metadata = {};
  if (metadata.icc) {
    const fits = channels === 3 || options.format === 'png' || options.format === 'jpeg';
    if (fits) writable.icc = metadata.icc;
    else notes.push(`${options.format} stores grey as colour, so the grey profile was left out.`);
  }
  if (options.metadata === 'strip') return writable;
  if (metadata.density !== undefined) writable.density = metadata.density;

  const changes: MetadataChanges = {
    width: options.width,
    height: options.height,
    density: metadata.density,
    stripLocation: options.metadata === 'strip_location',
  };
  if (metadata.exif) {
    const exif = patchExif(metadata.exif, changes);
    if (exif) writable.exif = exif;
    else notes.push('The EXIF data is damaged or too large; it could not be kept.');
  }
  const xmp = writableXmp(metadata, changes, notes);
  const labeled = options.source ? withDigitalSource(xmp, options.source) : xmp;
  if (labeled) writable.xmp = labeled;
  return writable;
}

function writableXmp({ xmp }: Metadata, changes: MetadataChanges, notes: string[]): Uint8Array | undefined {
  const patched = xmp && patchXmp(xmp, changes);
  if (xmp && !patched) notes.push('The XMP data is damaged or too large; it could not be kept.');
  if (patched && changes.stripLocation && namesPlace(new TextDecoder().decode(patched))) {
    notes.push('The XMP data names a place; it was removed as a whole.');
    return undefined;
  }
  return patched;
}
