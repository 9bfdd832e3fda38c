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

export const TIFF_TYPE = { short: 3, long: 4 } as const;

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

/** The single SHORT or LONG of `tag`, else undefined. */
export function readNumber(tiff: Tiff, directory: TiffDirectory, tag: number): number | undefined {
  const entry = directory.entries.find((candidate) => candidate.tag === tag);
  if (entry?.count !== 1 || entry.valueBytes === 0) return undefined;
  if (entry.type === TIFF_TYPE.short) return tiff.view.getUint16(entry.valueOffset, tiff.littleEndian);
  if (entry.type === TIFF_TYPE.long) return tiff.view.getUint32(entry.valueOffset, tiff.littleEndian);
  return undefined;
}
