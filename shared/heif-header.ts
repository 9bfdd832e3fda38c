import { textAt, viewOf } from './byte-view.ts';
import { encodingOf, isSrgb } from './color-encoding.ts';
import { AppError } from './error.ts';
import type { StoredSize } from './image-header.ts';
import { joinOrientations } from './orientation.ts';

/** One box of the ISO base media file format (ISO/IEC 14496-12): where its content begins and ends. */
export interface Box {
  type: string;
  /** Offset of its content. */
  start: number;
  end: number;
}

/** More boxes side by side than any photo has: a file made to exhaust memory. */
const MAX_BOXES = 10_000;

/** The boxes that lie side by side from `start` to `end`. */
export function boxesIn(bytes: Uint8Array, start: number, end: number): Box[] {
  const view = viewOf(bytes);
  const boxes: Box[] = [];
  for (let at = start; at + 8 <= Math.min(end, bytes.length); ) {
    const short = view.getUint32(at);
    const long = short === 1;
    const length = long ? Number(view.getBigUint64(at + 8)) : short === 0 ? end - at : short;
    const header = long ? 16 : 8;
    if (length < header) throw new RangeError('a box is shorter than its header');
    if (boxes.length === MAX_BOXES) throw new RangeError('too many boxes');
    boxes.push({ type: textAt(bytes, at + 4, 4), start: at + header, end: Math.min(at + length, end) });
    at += length;
  }
  return boxes;
}

export function boxOf(boxes: Box[], type: string): Box {
  const found = boxes.find((box) => box.type === type);
  if (!found) throw new RangeError(`no ${type} box`);
  return found;
}

/** Brands in the `ftyp` box that begins an AVIF or HEIC file; empty for other files. */
export function readBrands(bytes: Uint8Array): string[] {
  if (textAt(bytes, 4, 4) !== 'ftyp' || bytes.length < 12) return [];
  const end = Math.min(viewOf(bytes).getUint32(0), bytes.length, 8 + 4 * 64);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= end; at += 4) if (at !== 12) brands.push(textAt(bytes, at, 4));
  return brands;
}

/** ISO/IEC 23008-12 6.5.10 and 6.5.12: turned against the clock, mirrored; as EXIF orientations. */
const ROTATIONS = [1, 8, 3, 6];
const MIRRORS = [4, 2];

/**
 * Of AVIF and HEIC: the primary item after its own crop, rotation and mirroring, which every decoder applies (ISO/IEC
 * 23008-12 6.5). An orientation in its EXIF repeats them and does not count. Throws `hdr-unsupported`, and
 * `unsupported-media-type` for films.
 */
export function readHeifSize(bytes: Uint8Array): StoredSize {
  const view = viewOf(bytes);
  const top = boxesIn(bytes, 0, bytes.length);
  if (!top.some(({ type }) => type === 'meta') && top.some(({ type }) => type === 'moov')) {
    throw new AppError('unsupported-media-type', 'The file is a film (AVIF or HEIF sequence) without a still picture.');
  }
  const meta = boxOf(top, 'meta');
  const children = boxesIn(bytes, meta.start + 4, meta.end);
  const pitm = boxOf(children, 'pitm');
  const primary = view.getUint8(pitm.start) === 0 ? view.getUint16(pitm.start + 4) : view.getUint32(pitm.start + 4);
  const references = children.find(({ type }) => type === 'iref');
  const iprp = boxOf(children, 'iprp');
  const [ipco, ipma] = ['ipco', 'ipma'].map((type) => boxOf(boxesIn(bytes, iprp.start, iprp.end), type)) as [Box, Box];
  const all = boxesIn(bytes, ipco.start, ipco.end);
  const properties = propertyIndexes(view, ipma, primary).flatMap((index) => all[index - 1] ?? []);

  const ispe = boxOf(properties, 'ispe');
  const size: StoredSize = {
    width: view.getUint32(ispe.start + 4),
    height: view.getUint32(ispe.start + 8),
    orientation: 1,
  };
  const kinds = references ? boxesIn(bytes, references.start + 4, references.end) : [];
  if (kinds.some(({ type }) => type === 'prem')) size.premultiplied = true;
  for (const { type, start } of properties) {
    if (type === 'clap') {
      size.width = Math.round(view.getUint32(start) / view.getUint32(start + 4));
      size.height = Math.round(view.getUint32(start + 8) / view.getUint32(start + 12));
    }
    if (type === 'irot') size.orientation = joinOrientations(size.orientation, ROTATIONS[view.getUint8(start) & 3]!);
    if (type === 'imir') size.orientation = joinOrientations(size.orientation, MIRRORS[view.getUint8(start) & 1]!);
    if (type === 'colr' && textAt(bytes, start, 4) === 'nclx') {
      const colors = encodingOf(view.getUint16(start + 4), view.getUint16(start + 6));
      if (!isSrgb(colors)) size.colors = colors;
    }
  }
  return size;
}

/** `ipma`: which properties (numbered from 1) belong to the item. */
function propertyIndexes(view: DataView, ipma: Box, item: number): number[] {
  const wideItems = view.getUint8(ipma.start) > 0;
  const wideIndexes = (view.getUint8(ipma.start + 3) & 1) === 1;
  let at = ipma.start + 8;
  for (let left = view.getUint32(ipma.start + 4); left > 0 && at < ipma.end; left--) {
    const id = wideItems ? view.getUint32(at) : view.getUint16(at);
    at += wideItems ? 4 : 2;
    const count = view.getUint8(at++);
    const indexAt = (k: number) => (wideIndexes ? view.getUint16(at + 2 * k) & 0x7fff : view.getUint8(at + k) & 0x7f);
    if (id === item) return Array.from({ length: count }, (_, k) => indexAt(k));
    at += count * (wideIndexes ? 2 : 1);
  }
  throw new RangeError('the primary item has no properties');
}
