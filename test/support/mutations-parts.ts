import { crc32 } from 'node:zlib';
import type { InputFormat } from '../../shared/image-format.ts';

/** A number in a file. */
export interface Field {
  at: number;
  bytes: 1 | 2 | 3 | 4;
  littleEndian: boolean;
}

/** A piece of a file with a name: PNG or RIFF chunk, JPEG segment, GIF block, TIFF entry, ISO box. */
export interface Part {
  name: string;
  start: number;
  /** Where its content begins. */
  body: number;
  end: number;
  /** Where it says how long it is. */
  length?: Field;
}

/** Of a damaged file, which may lead round in circles. */
const MAX_PARTS = 500;

/** The parts of a file, those inside of others included, as far as one can get; the whole file where that is nowhere. */
export function partsOf(format: InputFormat, file: Buffer): Part[] {
  const parts: Part[] = [];
  try {
    for (const part of WALKERS[format](file)) {
      if (part.body <= part.end && part.end <= file.length) parts.push(part);
      if (parts.length === MAX_PARTS) break;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // reads beyond the end
  }
  return parts.length > 0 ? parts : [{ name: 'file', start: 0, body: 0, end: file.length }];
}

const WALKERS: Record<InputFormat, (file: Buffer) => Iterable<Part>> = {
  png: pngChunks,
  jpeg: jpegSegments,
  webp: riffChunks,
  gif: gifBlocks,
  tiff: tiffEntries,
  avif: (file) => boxes(file, 0, file.length),
  heic: (file) => boxes(file, 0, file.length),
};

function* pngChunks(file: Buffer): Iterable<Part> {
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 12 + file.readUInt32BE(at);
    yield { name: nameAt(file, at + 4), start: at, body: at + 8, end, length: field(at, 4) };
    at = end;
  }
}

function* jpegSegments(file: Buffer): Iterable<Part> {
  for (let at = 2; at + 4 <= file.length; ) {
    const marker = file[at + 1]!;
    const isScan = marker === 0xda;
    const end = isScan ? file.length : at + 2 + file.readUInt16BE(at + 2);
    yield { name: `ff${marker.toString(16)}`, start: at, body: at + 4, end, length: field(at + 2, 2) };
    at = end;
  }
}

function* riffChunks(file: Buffer): Iterable<Part> {
  yield { name: 'RIFF', start: 0, body: 8, end: file.length, length: field(4, 4, true) };
  for (let at = 12; at + 8 <= file.length; ) {
    const bytes = file.readUInt32LE(at + 4);
    const end = at + 8 + bytes + (bytes & 1);
    yield { name: nameAt(file, at), start: at, body: at + 8, end, length: field(at + 4, 4, true) };
    at = end;
  }
}

function* gifBlocks(file: Buffer): Iterable<Part> {
  yield { name: 'screen', start: 6, body: 6, end: 13 };
  for (let at = 13 + colorTable(file[10]!); at < file.length - 1; ) {
    const isPicture = file[at] === 0x2c;
    const start = at;
    const body = isPicture ? at + 11 + colorTable(file[at + 9]!) : at + 2;
    at = body;
    while (file[at]! > 0) at += 1 + file[at]!;
    at++;
    const name = isPicture ? 'picture' : `extension ${file[start + 1]!.toString(16)}`;
    yield { name, start, body: isPicture ? start + 1 : body, end: at, length: field(body, 1) };
  }
}

function colorTable(flags: number): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
}

function* tiffEntries(file: Buffer): Iterable<Part> {
  const littleEndian = file[0] === 0x49;
  const short = (at: number) => (littleEndian ? file.readUInt16LE(at) : file.readUInt16BE(at));
  const long = (at: number) => (littleEndian ? file.readUInt32LE(at) : file.readUInt32BE(at));
  yield { name: 'header', start: 0, body: 4, end: 8 };
  for (let directory = long(4); directory > 0; ) {
    const count = short(directory);
    for (let at = directory + 2; at < directory + 2 + 12 * count; at += 12) {
      const length = field(at + 4, 4, littleEndian);
      yield { name: String(short(at)), start: at, body: at + 8, end: at + 12, length };
    }
    directory = long(directory + 2 + 12 * count);
  }
}

/** Bytes of a box before the boxes that it holds. */
const CONTAINERS: Record<string, number> = { meta: 12, iprp: 8, ipco: 8 };

function* boxes(file: Buffer, from: number, to: number): Iterable<Part> {
  for (let at = from; at + 8 <= to; ) {
    const name = nameAt(file, at + 4);
    const end = at + (file.readUInt32BE(at) || to - at);
    yield { name, start: at, body: at + 8, end, length: field(at, 4) };
    const head = CONTAINERS[name];
    if (head !== undefined) yield* boxes(file, at + head, end);
    at = end;
  }
}

/** Numbers that say how large the picture is. */
export function sizeFields(format: InputFormat, file: Buffer): Field[] {
  return partsOf(format, file).flatMap(({ name, body }): Field[] => {
    switch (name) {
      case 'IHDR':
        return [field(body, 4), field(body + 4, 4)];
      case 'ffc0':
      case 'ffc2':
        return [field(body + 1, 2), field(body + 3, 2)];
      case 'VP8X':
        return [field(body + 4, 3, true), field(body + 7, 3, true)];
      case 'VP8 ':
        return [field(body + 6, 2, true), field(body + 8, 2, true)];
      case 'VP8L':
        return [field(body + 1, 4, true)];
      case 'screen':
        return [field(body, 2, true), field(body + 2, 2, true)];
      case 'picture':
        return [field(body + 4, 2, true), field(body + 6, 2, true)];
      case '256':
      case '257':
        return [field(body, 2, file[0] === 0x49)];
      case 'ispe':
        return [field(body + 4, 4), field(body + 8, 4)];
      case 'clap':
        return [field(body, 4), field(body + 4, 4), field(body + 8, 4), field(body + 12, 4)];
      default:
        return [];
    }
  });
}

export function writeField(file: Buffer, { at, bytes, littleEndian }: Field, value: number): void {
  if (at + bytes > file.length) return;
  const fitting = value % 2 ** (8 * bytes);
  if (littleEndian) file.writeUIntLE(fitting, at, bytes);
  else file.writeUIntBE(fitting, at, bytes);
}

export function readField(file: Buffer, { at, bytes, littleEndian }: Field): number {
  return littleEndian ? file.readUIntLE(at, bytes) : file.readUIntBE(at, bytes);
}

/** A copy with right check sums, so that a decoder does not stop at those (PNG alone has them). */
export function withCheckSums(format: InputFormat, file: Buffer): Buffer {
  if (format !== 'png') return file;
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 12 + file.readUInt32BE(at);
    if (end > file.length) break;
    file.writeUInt32BE(crc32(file.subarray(at + 4, end - 4)), end - 4);
    at = end;
  }
  return file;
}

function nameAt(file: Buffer, at: number): string {
  return file.toString('latin1', at, at + 4);
}

function field(at: number, bytes: Field['bytes'], littleEndian = false): Field {
  return { at, bytes, littleEndian };
}
