/** Reads directories of a TIFF structure (TIFF 6.0 section 2), which EXIF blocks are too. Never loops, never throws. */

export interface Tiff {
  view: DataView;
  littleEndian: boolean;
  /** Offset of the first directory, as the header gives it. */
  firstDirectory: number;
}

export interface TiffEntry {
  tag: number;
  type: number;
  count: number;
  /** Offset of the twelve bytes of the entry itself. */
  offset: number;
  /** Where the value lies, inside the entry or elsewhere. */
  valueOffset: number;
  /** 0 if the type is unknown or the value is not wholly inside the block. */
  valueBytes: number;
}

export interface TiffDirectory {
  offset: number;
  entries: TiffEntry[];
  /** Offset of the four bytes after the entries: the link to the next directory. */
  nextLink: number;
}

export const TIFF_TYPE = { byte: 1, ascii: 2, short: 3, long: 4, rational: 5, undefined: 7, directory: 13 } as const;

const BYTES_OF_TYPE = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];
const ENTRY_BYTES = 12;

/** Undefined if `bytes` does not begin with a TIFF header (BigTIFF is another structure). */
export function openTiff(bytes: Uint8Array): Tiff | undefined {
  if (bytes.length < 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return undefined;
  const littleEndian = order === 0x4949;
  if (view.getUint16(2, littleEndian) !== 42) return undefined;
  return { view, littleEndian, firstDirectory: view.getUint32(4, littleEndian) };
}

/** Undefined if the directory is not wholly inside the block. */
export function readDirectory({ view, littleEndian }: Tiff, offset: number): TiffDirectory | undefined {
  if (offset < 8 || offset + 2 > view.byteLength) return undefined;
  const count = view.getUint16(offset, littleEndian);
  const nextLink = offset + 2 + count * ENTRY_BYTES;
  if (nextLink + 4 > view.byteLength) return undefined;
  const entries: TiffEntry[] = [];
  for (let at = offset + 2; at < nextLink; at += ENTRY_BYTES) {
    const type = view.getUint16(at + 2, littleEndian);
    const values = view.getUint32(at + 4, littleEndian);
    const claimed = values * (BYTES_OF_TYPE[type] ?? 0);
    const valueOffset = claimed <= 4 ? at + 8 : view.getUint32(at + 8, littleEndian);
    const valueBytes = valueOffset + claimed <= view.byteLength ? claimed : 0;
    entries.push({ tag: view.getUint16(at, littleEndian), type, count: values, offset: at, valueOffset, valueBytes });
  }
  return { offset, entries, nextLink };
}

export function entryOf({ entries }: TiffDirectory, tag: number): TiffEntry | undefined {
  return entries.find((entry) => entry.tag === tag);
}

/** The single SHORT or LONG of `tag`, else undefined. */
export function readNumber(tiff: Tiff, directory: TiffDirectory, tag: number): number | undefined {
  const entry = entryOf(directory, tag);
  return entry?.count === 1 ? readNumbers(tiff, entry)[0] : undefined;
}

/** The unsigned integers of an entry, at most `most`; none if it holds something else, or nothing at all. */
export function readNumbers({ view, littleEndian }: Tiff, entry: TiffEntry | undefined, most = 4096): number[] {
  if (!entry || entry.valueBytes === 0) return [];
  const { type, count, valueOffset } = entry;
  const read = {
    [TIFF_TYPE.byte]: (k: number) => view.getUint8(valueOffset + k),
    [TIFF_TYPE.short]: (k: number) => view.getUint16(valueOffset + 2 * k, littleEndian),
    [TIFF_TYPE.long]: (k: number) => view.getUint32(valueOffset + 4 * k, littleEndian),
    [TIFF_TYPE.directory]: (k: number) => view.getUint32(valueOffset + 4 * k, littleEndian),
  }[type];
  return read ? Array.from({ length: Math.min(count, most) }, (_, k) => read(k)) : [];
}

/** The first RATIONAL of an entry. */
export function readRational({ view, littleEndian }: Tiff, entry: TiffEntry | undefined): number | undefined {
  if (entry?.type !== TIFF_TYPE.rational || entry.valueBytes < 8) return undefined;
  return view.getUint32(entry.valueOffset, littleEndian) / view.getUint32(entry.valueOffset + 4, littleEndian);
}

/** The text of an ASCII entry up to its end. */
export function readText({ view }: Tiff, entry: TiffEntry | undefined): string {
  if (entry?.type !== TIFF_TYPE.ascii) return '';
  const bytes = new Uint8Array(view.buffer, view.byteOffset + entry.valueOffset, Math.min(entry.valueBytes, 1000));
  return String.fromCharCode(...bytes).replace(/\0.*$/s, '');
}
