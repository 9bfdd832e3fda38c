import { readDirectory, TIFF_TYPE, type Tiff, type TiffEntry } from '../../../shared/tiff.ts';

/** Fields of EXIF as those of a TIFF file (EXIF 2.32, 4.6): the same tags, at other offsets. */

/** A field with its value, little-endian, or the fields of the directory that it leads to. */
export interface Field {
  tag: number;
  type: number;
  count: number;
  value: Uint8Array | Field[];
}

export const ENTRY_BYTES = 12;

/**
 * Fields of EXIF's first directory that say something about the photo: description, document, make, model, software, date,
 * artist, host, rating. Below `PRIVATE`, the others say how its samples were stored.
 */
const ABOUT_PHOTO = [0x010d, 0x010e, 0x010f, 0x0110, 0x0131, 0x0132, 0x013b, 0x013c, 0x4746, 0x4749];
const PRIVATE = 0x8000;
/** Private ones that readers of TIFF take for more than words: places on a map, captions, layers, profiles, raw samples. */
const TAKEN = [
  [0x828d, 0x828e],
  [0x830e, 0x830e],
  [0x83bb, 0x83bb],
  [0x8480, 0x8482],
  [0x85d8, 0x85d8],
  [0x8649, 0x8649],
  [0x8773, 0x8773],
  [0x87af, 0x87b1],
  [0x935c, 0x935c],
  [0xc612, 0xcd50],
] as const;
/** To the directories of the camera, of GPS, and, within the former, of interoperability. */
const LINKS = [0x8769, 0x8825, 0xa005];
const DEEPEST = 2;

/** Entries of a hostile block may all have the same value: from here on they are left out. */
const MOST_BYTES = 1 << 20;

export function exifFields(exif: Tiff): Field[] {
  const room = { bytes: MOST_BYTES };
  return readFields(exif, exif.firstDirectory, { depth: 0, room, isWanted: isAboutPhoto });
}

function isAboutPhoto(tag: number): boolean {
  if (tag < PRIVATE) return ABOUT_PHOTO.includes(tag);
  return !TAKEN.some(([from, to]) => tag >= from && tag <= to);
}

interface ReadOptions {
  depth: number;
  room: { bytes: number };
  isWanted: (tag: number) => boolean;
}

/** A tag that is repeated counts once. */
function readFields(tiff: Tiff, offset: number, { depth, room, isWanted }: ReadOptions): Field[] {
  const entries = readDirectory(tiff, offset)?.entries ?? [];
  const first = new Map(entries.toReversed().map((entry) => [entry.tag, entry]));
  return [...first.values()].flatMap((entry): Field[] => {
    const { tag, type, count, valueBytes } = entry;
    if (!isWanted(tag)) return [];
    if (LINKS.includes(tag)) {
      const target = tiff.view.getUint32(entry.offset + 8, tiff.littleEndian);
      const inner = depth < DEEPEST ? readFields(tiff, target, { depth: depth + 1, room, isWanted: () => true }) : [];
      return inner.length > 0 ? [{ tag, type: TIFF_TYPE.long, count: 1, value: inner }] : [];
    }
    room.bytes -= valueBytes + ENTRY_BYTES;
    return valueBytes > 0 && room.bytes >= 0 ? [{ tag, type, count, value: readValue(tiff, entry) }] : [];
  });
}

/** Bytes of the numbers that values of a type are made of: a rational is two. */
const NUMBER_BYTES = [1, 1, 1, 2, 4, 4, 1, 1, 2, 4, 4, 4, 8, 4];

function readValue({ view, littleEndian }: Tiff, { type, valueOffset, valueBytes }: TiffEntry): Uint8Array {
  const value = new Uint8Array(view.buffer, view.byteOffset + valueOffset, valueBytes).slice();
  const length = NUMBER_BYTES[type]!;
  if (!littleEndian && length > 1) {
    for (let at = 0; at < value.length; at += length) value.subarray(at, at + length).reverse();
  }
  return value;
}

/**
 * A directory that begins at `at`, with the values that it points to behind it. `known`: entries that stay where no
 * field is new.
 */
export function layOut(fields: Field[], at: number, known: Buffer[] = []): Buffer {
  const tags = new Set(fields.map(({ tag }) => tag));
  const kept = known.filter((entry) => !tags.has(entry.readUInt16LE(0)));
  const behind: Uint8Array[] = [];
  let end = at + 2 + (kept.length + fields.length) * ENTRY_BYTES + 4;
  const append = (bytes: Uint8Array) => {
    const start = end;
    behind.push(bytes, new Uint8Array(bytes.length % 2));
    end += bytes.length + (bytes.length % 2);
    return start;
  };
  const written = fields.map(({ tag, type, count, value }) => {
    const entry = Buffer.alloc(ENTRY_BYTES);
    entry.writeUInt16LE(tag, 0);
    entry.writeUInt16LE(type, 2);
    entry.writeUInt32LE(count, 4);
    if (!(value instanceof Uint8Array)) entry.writeUInt32LE(append(layOut(value, end)), 8);
    else if (value.length <= 4) entry.set(value, 8);
    else entry.writeUInt32LE(append(value), 8);
    return entry;
  });
  const sorted = [...kept, ...written].sort((one, other) => one.readUInt16LE(0) - other.readUInt16LE(0));
  const count = Buffer.alloc(2);
  count.writeUInt16LE(sorted.length);
  return Buffer.concat([count, ...sorted, Buffer.alloc(4), ...behind]);
}
