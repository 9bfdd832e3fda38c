import {
  entryOf,
  readDirectory,
  readNumbers,
  TIFF_TYPE,
  type Tiff,
  type TiffDirectory,
  type TiffEntry,
} from '../../../shared/tiff.ts';
import { photoEntry, type TiffPhoto } from '../../../shared/tiff-header.ts';

/**
 * Metadata of a photo in a TIFF file, as the block that other formats carry (EXIF 2.32, 4.6): the same tags, without
 * pixels.
 */

const EXIF_DIRECTORY = 0x8769;
const GPS_DIRECTORY = 0x8825;
/** Its offsets are nobody's business but the maker's, and would lead nowhere. */
const MAKER_NOTE = 0x927c;
const INTEROPERABILITY = 0xa005;
/** Description, make, model, orientation, densities, software, date, artist, host, copyright. */
const TAGS = [0x010e, 0x010f, 0x0110, 0x0112, 0x011a, 0x011b, 0x0128, 0x0131, 0x0132, 0x013b, 0x013c, 0x8298];
/** All but densities and orientation, which alone are no reason to make a block. */
const TELLING = TAGS.filter((tag) => ![0x0112, 0x011a, 0x011b, 0x0128].includes(tag));
const ENTRY_BYTES = 12;
/** More does not fit into a JPEG segment, and entries of a hostile file may all have the same value. */
const MOST_BYTES = 65_000;

interface Copied {
  entry: TiffEntry;
  value: Uint8Array;
}

/** Undefined if the file tells nothing. */
export function collectExif(tiff: Tiff, photo: TiffPhoto): Uint8Array | undefined {
  const main = copied(
    tiff,
    TAGS.flatMap((tag) => photoEntry(photo, tag) ?? []),
  );
  const below = [EXIF_DIRECTORY, GPS_DIRECTORY].flatMap((tag) => {
    const found = directoryAt(tiff, photo, tag)?.entries;
    const entries = found ? copied(tiff, found) : [];
    return entries.length > 0 ? [{ tag, entries }] : [];
  });
  if (below.length === 0 && !main.some(({ entry }) => TELLING.includes(entry.tag))) return undefined;
  const all = [...main, ...below.flatMap(({ entries }) => entries)];
  if (all.reduce((sum, { value }) => sum + value.length, 0) > MOST_BYTES) return undefined;
  return writeBlock(tiff, main, below);
}

export function hasMakerNote(tiff: Tiff, photo: TiffPhoto): boolean {
  const camera = directoryAt(tiff, photo, EXIF_DIRECTORY);
  return camera !== undefined && entryOf(camera, MAKER_NOTE) !== undefined;
}

function directoryAt(tiff: Tiff, photo: TiffPhoto, tag: number): TiffDirectory | undefined {
  const [offset] = readNumbers(tiff, photoEntry(photo, tag));
  return offset === undefined ? undefined : readDirectory(tiff, offset);
}

function copied({ view }: Tiff, entries: TiffEntry[]): Copied[] {
  const whole = entries.filter(
    ({ tag, valueBytes }) => valueBytes > 0 && tag !== MAKER_NOTE && tag !== INTEROPERABILITY,
  );
  return whole.map((entry) => ({
    entry,
    value: new Uint8Array(view.buffer, view.byteOffset + entry.valueOffset, entry.valueBytes),
  }));
}

/** Directories first, then the values that are too long for their entries, each at an even offset. */
function writeBlock(source: Tiff, main: Copied[], below: { tag: number; entries: Copied[] }[]): Uint8Array {
  const { littleEndian } = source;
  const directories = [main.length + below.length, ...below.map(({ entries }) => entries.length)];
  const offsets: number[] = [];
  let end = 8;
  for (const count of directories) {
    offsets.push(end);
    end += 2 + ENTRY_BYTES * count + 4;
  }
  const all = [...main, ...below.flatMap(({ entries }) => entries)];
  const long = all.filter(({ value }) => value.length > 4);
  const bytes = new Uint8Array(end + long.reduce((sum, { value }) => sum + value.length + (value.length & 1), 0));
  const view = new DataView(bytes.buffer);
  bytes.set(littleEndian ? [0x49, 0x49] : [0x4d, 0x4d]);
  view.setUint16(2, 42, littleEndian);
  view.setUint32(4, 8, littleEndian);

  const links = below.map(({ tag }, k) => ({ tag, offset: offsets[k + 1]! }));
  const write = (at: number, { entry, value }: Copied) => {
    view.setUint16(at, entry.tag, littleEndian);
    view.setUint16(at + 2, entry.type, littleEndian);
    view.setUint32(at + 4, entry.count, littleEndian);
    if (value.length <= 4) {
      bytes.set(value, at + 8);
      return;
    }
    view.setUint32(at + 8, end, littleEndian);
    bytes.set(value, end);
    end += value.length + (value.length & 1);
  };
  const writeLink = (at: number, { tag, offset }: { tag: number; offset: number }) => {
    view.setUint16(at, tag, littleEndian);
    view.setUint16(at + 2, TIFF_TYPE.long, littleEndian);
    view.setUint32(at + 4, 1, littleEndian);
    view.setUint32(at + 8, offset, littleEndian);
  };
  const ordered = [...main, ...links].sort((one, other) => tagOf(one) - tagOf(other));
  for (const [k, entries] of [ordered, ...below.map((each) => each.entries)].entries()) {
    view.setUint16(offsets[k]!, entries.length, littleEndian);
    for (const [n, each] of entries.entries()) {
      const at = offsets[k]! + 2 + ENTRY_BYTES * n;
      if ('value' in each) write(at, each);
      else writeLink(at, each);
    }
  }
  return bytes;
}

function tagOf(each: Copied | { tag: number }): number {
  return 'value' in each ? each.entry.tag : each.tag;
}
