import { Readable } from 'node:stream';
import { constants, crc32, createInflate } from 'node:zlib';
import { textAt, viewOf } from '../../../shared/byte-view.ts';
import { CHUNK, pngChunks } from '../../../shared/png-header.ts';
import { pngChunk } from '../png-chunk.ts';
import { CUT, type Damage, ROTTEN } from './damage.ts';

const MOST_NAMED = 5;

/** PNG third edition, 5.3: each chunk states its length and its checksum; IEND is the last. */
export async function inspectPng(file: Uint8Array): Promise<Damage> {
  const view = viewOf(file);
  const wrong = new Set<string>();
  let firstWrong: number | undefined;
  let isCut = true;
  let whole = 8;
  for (const { name, start, end } of pngChunks(file)) {
    if (end > file.length) break;
    if (crc32(file.subarray(start + 4, end - 4)) !== view.getUint32(end - 4)) {
      if (wrong.size < MOST_NAMED) wrong.add(textAt(file, start + 4, 4));
      if (name === CHUNK.IDAT) firstWrong ??= start;
    }
    if (name === CHUNK.IEND) isCut = false;
    whole = end;
  }
  if (!isCut && wrong.size === 0) return { bytes: file, lost: 0 };
  if (!isCut && firstWrong === undefined) {
    return { bytes: file, lost: 0, words: `its data beside the pixels was changed (${[...wrong].join(', ')})` };
  }
  const bytes = isCut ? withEnd(file, whole) : file;
  if (firstWrong === undefined) return { bytes, lost: 1 - (await inflate(file, file.length)).share, words: CUT };
  // The pixels have a sum of their own, too: where that is right, only the other one was changed.
  const isRight = (await inflate(file, file.length, constants.Z_FINISH)).isWhole;
  return { bytes, lost: isRight ? 0 : 1 - (await inflate(file, firstWrong)).share, words: ROTTEN };
}

/** The whole chunks, the remaining pixels of the last one, and an end. */
function withEnd(file: Uint8Array, whole: number): Uint8Array {
  const isPixels = textAt(file, whole + 4, 4) === 'IDAT';
  const last = isPixels ? [pngChunk('IDAT', file.subarray(whole + 8))] : [];
  return Buffer.concat([file.subarray(0, whole), ...last, pngChunk('IEND')]);
}

function* pixelParts(file: Uint8Array, until: number): Iterable<Uint8Array> {
  for (const { name, start, body, end } of pngChunks(file)) {
    if (start >= until) return;
    if (name === CHUNK.IDAT && end - 4 > body) yield file.subarray(body, Math.min(end - 4, file.length));
  }
}

/**
 * How much of the picture comes out of the chunks before `until`, and whether it ended without an error: with Z_FINISH, also
 * that nothing is missing.
 */
async function inflate(
  file: Uint8Array,
  until: number,
  finishFlush: number = constants.Z_SYNC_FLUSH,
): Promise<{ share: number; isWhole: boolean }> {
  const expected = expectedBytes(file);
  const chunkSize = Math.min(65_536, Math.max(constants.Z_MIN_CHUNK, expected >> 8));
  const stream = Readable.from(pixelParts(file, until)).pipe(createInflate({ chunkSize, finishFlush }));
  let found = 0;
  try {
    for await (const piece of stream) {
      found += piece.length;
      if (found > expected) break;
    }
    return { share: Math.min(1, found / expected), isWhole: found === expected };
  } catch {
    return { share: Math.min(1, found / expected), isWhole: false };
  }
}

/** PNG third edition, 7.2 and 8.1: rows with a byte for their filter, in seven passes if interlaced. */
function expectedBytes(file: Uint8Array): number {
  const view = viewOf(file);
  const [width, height, depth, color] = [view.getUint32(16), view.getUint32(20), file[24]!, file[25]!];
  const bits = depth * ({ 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[color] ?? 1);
  const passes = file[28] === 0 ? [[0, 0, 1, 1] as const] : ADAM7;
  return passes.reduce((sum, [x, y, stepX, stepY]) => {
    const [columns, rows] = [Math.ceil((width - x) / stepX), Math.ceil((height - y) / stepY)];
    return columns > 0 && rows > 0 ? sum + rows * (1 + Math.ceil((columns * bits) / 8)) : sum;
  }, 0);
}

/** First column and row of each pass, and the steps from there. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
