import {
  openTiff,
  readDirectory,
  TIFF_TYPE,
  type Tiff,
  type TiffDirectory,
  type TiffEntry,
} from '../../shared/tiff.ts';

const TAG = {
  imageWidth: 0x0100,
  imageLength: 0x0101,
  orientation: 0x0112,
  xResolution: 0x011a,
  yResolution: 0x011b,
  resolutionUnit: 0x0128,
  exifDirectory: 0x8769,
  gpsDirectory: 0x8825,
  makerNote: 0x927c,
  pixelXDimension: 0xa002,
  pixelYDimension: 0xa003,
};
const INCH = 2;
const ENTRY_BYTES = 12;

/** What a JPEG segment can hold, so that every output format can take the block. */
const MAX_EXIF_BYTES = 65_527;

/** What has become untrue of a photo that was turned upright and enlarged. */
export interface MetadataChanges {
  width: number;
  height: number;
  /** Pixels per inch. */
  density?: number | undefined;
  stripLocation: boolean;
}

/**
 * A copy of the TIFF-structured block (EXIF 2.32 section 4.6) with upright orientation, the new size and density,
 * no thumbnail of the old picture and, if asked, no place: neither GPS nor the maker's note, which may name one.
 * Nothing moves within the block, so what is not known here stays valid. Undefined if it is damaged or too large.
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

  for (const directory of directories) {
    for (const entry of directory.entries) patchEntry(tiff, entry, changes);
  }
  tiff.view.setUint32(main.nextLink, 0, tiff.littleEndian); // the thumbnail's directory
  if (changes.stripLocation) {
    for (const directory of directories) removeLocation(bytes, tiff, directory);
  }
  return bytes;
}

/** The entry's four value bytes as an offset, whatever its type claims: readers follow links so. */
function linkOf({ view, littleEndian }: Tiff, entry: TiffEntry): number {
  return view.getUint32(entry.offset + 8, littleEndian);
}

/** No writer repeats a link; thousands of them are an attempt to keep us busy. */
function hasRepeatedLink({ entries }: TiffDirectory): boolean {
  const links: number[] = [TAG.exifDirectory, TAG.gpsDirectory, TAG.makerNote];
  const found = entries.map(({ tag }) => tag).filter((tag) => links.includes(tag));
  return new Set(found).size < found.length;
}

function patchEntry(tiff: Tiff, entry: TiffEntry, { width, height, density }: MetadataChanges): void {
  switch (entry.tag) {
    case TAG.orientation:
      writeNumber(tiff, entry, TIFF_TYPE.short, 1);
      break;
    case TAG.imageWidth:
    case TAG.pixelXDimension:
      writeNumber(tiff, entry, TIFF_TYPE.long, width);
      break;
    case TAG.imageLength:
    case TAG.pixelYDimension:
      writeNumber(tiff, entry, TIFF_TYPE.long, height);
      break;
    case TAG.xResolution:
    case TAG.yResolution:
      if (density === undefined || entry.valueBytes !== 8) break;
      tiff.view.setUint32(entry.valueOffset, Math.round(density * 1000), tiff.littleEndian);
      tiff.view.setUint32(entry.valueOffset + 4, 1000, tiff.littleEndian);
      break;
    case TAG.resolutionUnit:
      if (density !== undefined) writeNumber(tiff, entry, TIFF_TYPE.short, INCH);
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
