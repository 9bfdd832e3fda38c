import { swapsSides } from '../../shared/orientation.ts';
import {
  entryOf,
  openTiff,
  readDirectory,
  readNumber,
  readNumbers,
  readRational,
  TIFF_TYPE,
  type Tiff,
  type TiffDirectory,
  type TiffEntry,
} from '../../shared/tiff.ts';
import { type Placement, placeSubjectArea, shownPart } from './placement.ts';

const TAG = {
  imageWidth: 0x0100,
  imageLength: 0x0101,
  orientation: 0x0112,
  xResolution: 0x011a,
  yResolution: 0x011b,
  resolutionUnit: 0x0128,
  stripOffsets: 0x0111,
  stripByteCounts: 0x0117,
  thumbnailOffset: 0x0201,
  thumbnailBytes: 0x0202,
  exifDirectory: 0x8769,
  gpsDirectory: 0x8825,
  makerNote: 0x927c,
  subjectArea: 0x9214,
  pixelXDimension: 0xa002,
  pixelYDimension: 0xa003,
  focalPlaneXResolution: 0xa20e,
  focalPlaneYResolution: 0xa20f,
  subjectLocation: 0xa214,
  interoperability: 0xa005,
  relatedImageWidth: 0x1001,
  relatedImageLength: 0x1002,
};
const INCH = 2;
const ENTRY_BYTES = 12;

/** The capacity of a JPEG segment, so that every output format can take the block. */
const MAX_EXIF_BYTES = 65_527;

/** Facts that differ for the result: the photo was turned upright and enlarged. */
export interface MetadataChanges {
  width: number;
  height: number;
  /** Pixels per inch. */
  density?: number | undefined;
  stripLocation: boolean;
  /** Where the stored pixels went; absent: nowhere, and their size is not known. */
  placement?: Placement | undefined;
  hasProfile?: boolean;
  channels?: 1 | 3;
  /** Media type of the result. */
  mime?: string;
}

/**
 * A copy of the TIFF-structured block (EXIF 2.32 section 4.6) with upright orientation, the new size and density, no
 * thumbnail of the old picture and, if asked, no place: neither GPS nor the maker's note, which may name one. Nothing
 * moves within the block, so fields that are not known here stay valid. Undefined if it is damaged or too large.
 */
export function patchExif(exif: Uint8Array, changes: MetadataChanges): Uint8Array | undefined {
  if (exif.length > MAX_EXIF_BYTES) return undefined;
  const bytes = Uint8Array.from(exif); // not slice(), which for a Buffer is no copy
  const tiff = openTiff(bytes);
  const main = tiff && readDirectory(tiff, tiff.firstDirectory);
  if (!main) return undefined;
  const link = main.entries.find((entry) => entry.tag === TAG.exifDirectory);
  const camera = link && readDirectory(tiff, linkOf(tiff, link));
  const directories = camera ? [camera, main] : [main];
  if (directories.some(hasRepeatedLink)) return undefined;

  const linked = camera && entryOf(camera, TAG.interoperability);
  const interoperability = linked && readDirectory(tiff, linkOf(tiff, linked));
  for (const directory of interoperability ? [...directories, interoperability] : directories) {
    for (const entry of directory.entries) patchEntry(tiff, entry, changes);
  }
  if (camera && changes.placement && swapsSides(changes.placement.orientation)) swapFocalPlane(bytes, camera);
  eraseThumbnail(bytes, tiff, main);
  if (changes.stripLocation) {
    for (const directory of directories) removeLocation(bytes, tiff, directory);
  }
  return bytes;
}

/** The entry's four value bytes as an offset, for every type: readers follow links so. */
function linkOf({ view, littleEndian }: Tiff, entry: TiffEntry): number {
  return view.getUint32(entry.offset + 8, littleEndian);
}

/** No writer repeats a link; thousands of them are an attempt to keep us busy. */
function hasRepeatedLink({ entries }: TiffDirectory): boolean {
  const links: number[] = [TAG.exifDirectory, TAG.gpsDirectory, TAG.makerNote];
  const found = entries.map(({ tag }) => tag).filter((tag) => links.includes(tag));
  return new Set(found).size < found.length;
}

function patchEntry(tiff: Tiff, entry: TiffEntry, changes: MetadataChanges): void {
  const { width, height, density, placement } = changes;
  switch (entry.tag) {
    case TAG.orientation:
      writeNumber(tiff, entry, TIFF_TYPE.short, 1);
      break;
    case TAG.imageWidth:
    case TAG.pixelXDimension:
    case TAG.relatedImageWidth:
      writeNumber(tiff, entry, TIFF_TYPE.long, width);
      break;
    case TAG.imageLength:
    case TAG.pixelYDimension:
    case TAG.relatedImageLength:
      writeNumber(tiff, entry, TIFF_TYPE.long, height);
      break;
    case TAG.xResolution:
    case TAG.yResolution:
      if (density !== undefined) writeRational(tiff, entry, density);
      else scaleRational(tiff, entry, changes);
      break;
    case TAG.resolutionUnit:
      if (density !== undefined) writeNumber(tiff, entry, TIFF_TYPE.short, INCH);
      break;
    case TAG.focalPlaneXResolution:
    case TAG.focalPlaneYResolution:
      scaleRational(tiff, entry, changes);
      break;
    case TAG.subjectArea:
    case TAG.subjectLocation:
      if (placement) placeSubject(tiff, entry, placement, changes);
  }
}

function writeRational({ view, littleEndian }: Tiff, entry: TiffEntry, value: number): void {
  if (entry.valueBytes !== 8) return;
  view.setUint32(entry.valueOffset, Math.round(value * 1000), littleEndian);
  view.setUint32(entry.valueOffset + 4, 1000, littleEndian);
}

/** As many times as the picture has become larger. */
function scaleRational(tiff: Tiff, entry: TiffEntry, { width, placement }: MetadataChanges): void {
  const value = readRational(tiff, entry);
  if (!placement || value === undefined) return;
  const scaled = value * (width / shownPart(placement).width);
  if (scaled * 1000 < 2 ** 32) writeRational(tiff, entry, scaled);
}

/** Turned with the pixels: across has become down. */
function swapFocalPlane(bytes: Uint8Array, camera: TiffDirectory): void {
  const across = entryOf(camera, TAG.focalPlaneXResolution);
  const down = entryOf(camera, TAG.focalPlaneYResolution);
  if (across?.valueBytes !== 8 || down?.valueBytes !== 8) return;
  const value = bytes.slice(across.valueOffset, across.valueOffset + 8);
  bytes.copyWithin(across.valueOffset, down.valueOffset, down.valueOffset + 8);
  bytes.set(value, down.valueOffset);
}

function placeSubject(tiff: Tiff, entry: TiffEntry, placement: Placement, result: MetadataChanges): void {
  const numbers = readNumbers(tiff, entry, 4);
  if (entry.type !== TIFF_TYPE.short || numbers.length < 2) return;
  for (const [k, value] of placeSubjectArea(numbers, placement, result).entries()) {
    tiff.view.setUint16(entry.valueOffset + 2 * k, Math.min(value, 65_535), tiff.littleEndian);
  }
}

/** It shows the old picture, all of it. */
function eraseThumbnail(bytes: Uint8Array, tiff: Tiff, main: TiffDirectory): void {
  const { view, littleEndian } = tiff;
  const directory = readDirectory(tiff, view.getUint32(main.nextLink, littleEndian));
  view.setUint32(main.nextLink, 0, littleEndian);
  if (!directory || directory.offset === main.offset) return;
  for (const [start, length] of [
    [TAG.thumbnailOffset, TAG.thumbnailBytes],
    [TAG.stripOffsets, TAG.stripByteCounts],
  ] as const) {
    const [from, count] = [readNumber(tiff, directory, start), readNumber(tiff, directory, length)];
    if (from !== undefined && count !== undefined && from > main.nextLink) bytes.fill(0, from, from + count);
  }
}

/** Makes the entry a single number that lies in the entry itself. */
function writeNumber({ view, littleEndian }: Tiff, { offset }: TiffEntry, type: number, value: number): void {
  view.setUint16(offset + 2, type, littleEndian);
  view.setUint32(offset + 4, 1, littleEndian);
  view.setUint32(offset + 8, 0);
  if (type === TIFF_TYPE.short) view.setUint16(offset + 8, value, littleEndian);
  else view.setUint32(offset + 8, value, littleEndian);
}

function removeLocation(bytes: Uint8Array, tiff: Tiff, directory: TiffDirectory): void {
  const unwanted = directory.entries.filter(({ tag }) => tag === TAG.gpsDirectory || tag === TAG.makerNote);
  const orphans = unwanted.map((entry) => ({ entry, gps: readDirectory(tiff, linkOf(tiff, entry)) }));
  // From the last to the first: the later entries move up, the offsets of the earlier ones stay true.
  for (const entry of unwanted.reverse()) {
    bytes.copyWithin(entry.offset, entry.offset + ENTRY_BYTES, directory.nextLink + 4);
  }
  const count = directory.entries.length - unwanted.length;
  tiff.view.setUint16(directory.offset, count, tiff.littleEndian);
  bytes.fill(0, directory.offset + 2 + count * ENTRY_BYTES + 4, directory.nextLink + 4);

  for (const { entry, gps } of orphans) {
    if (entry.tag === TAG.makerNote) eraseValue(bytes, entry);
    else if (gps) {
      for (const value of gps.entries) eraseValue(bytes, value);
      bytes.fill(0, gps.offset, gps.nextLink + 4);
    }
  }
}

/** A value that lay in the entry went with the entry. */
function eraseValue(bytes: Uint8Array, { offset, valueOffset, valueBytes }: TiffEntry): void {
  if (valueBytes > 0 && valueOffset !== offset + 8) bytes.fill(0, valueOffset, valueOffset + valueBytes);
}
