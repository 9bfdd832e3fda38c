import { inflateSync } from 'node:zlib';
import { entryOf, openTiff, readNumber, readNumbers } from '../../../shared/tiff.ts';
import { readTiffPhoto } from '../../../shared/tiff-header.ts';
import { CUT, type Damage, ROTTEN } from './damage.ts';

/** Where strips and tiles begin, and how many bytes each has. */
const PIECES = [
  { offsets: 273, lengths: 279 },
  { offsets: 324, lengths: 325 },
];
const MOST_PIECES = 1_000_000;
/** Bounds the inflation in the search for damage: strips of a hostile file may all be the same bytes. */
const MOST_DEFLATED = 10_000;
const MOST_PIXEL_BYTES = 8;
const SMALL_PIECE_BYTES = 4096;

/** TIFF 6.0 section 8: strips and tiles that lie beyond the end of the file. libtiff gives up a strip that is not whole. */
export function inspectTiff(file: Uint8Array): Damage {
  const pieces = listPieces(file);
  const all = pieces.reduce((sum, { size }) => sum + size, 0);
  const missing = pieces.reduce((sum, { end, size }) => sum + Math.max(0, Math.min(size, end - file.length)), 0);
  if (missing === 0) {
    const lost = rottenBytes(file, pieces) / (all || 1);
    return lost > 0 ? { bytes: file, lost, words: ROTTEN } : { bytes: file, lost };
  }
  const end = pieces.reduce((most, piece) => Math.max(most, piece.end), 0);
  // So that there is something to read; far beyond the end it is no cut, but a wrong number.
  const bytes = end <= 2 * file.length ? Buffer.concat([file, Buffer.alloc(end - file.length)]) : file;
  return { bytes, lost: missing / all, words: CUT };
}

const COMPRESSION = 259;
const DEFLATE = [8, 32946];

/**
 * Bytes of strips whose sum is wrong, which libtiff does not look at. Only deflated ones have a sum; where none is right,
 * the writer had another idea of it.
 */
function rottenBytes(file: Uint8Array, pieces: Piece[]): number {
  const tiff = openTiff(file);
  if (!tiff || pieces.length > MOST_DEFLATED) return 0;
  const { directory, width, height } = readTiffPhoto(file);
  if (!DEFLATE.includes(readNumber(tiff, directory, COMPRESSION) ?? 0)) return 0;
  const mostBytes = Math.ceil((2 * width * height * MOST_PIXEL_BYTES) / pieces.length) + SMALL_PIECE_BYTES;
  const rotten = pieces.filter(({ start, end }) => !isDeflated(file.subarray(start, end), mostBytes));
  return rotten.length === pieces.length && pieces.length > 1 ? 0 : rotten.reduce((sum, { size }) => sum + size, 0);
}

/** More than `mostBytes` come out of bombs only, which are libtiff's business. */
function isDeflated(piece: Uint8Array, mostBytes: number): boolean {
  try {
    inflateSync(piece, { maxOutputLength: mostBytes });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
  }
}

interface Piece {
  start: number;
  end: number;
  size: number;
}

function listPieces(file: Uint8Array): Piece[] {
  const tiff = openTiff(file);
  if (!tiff) return [];
  const { directory } = readTiffPhoto(file);
  const numbers = (tag: number) => readNumbers(tiff, entryOf(directory, tag), MOST_PIECES);
  return PIECES.flatMap(({ offsets, lengths }) => {
    const sizes = numbers(lengths);
    return numbers(offsets).map((start, k) => ({ start, end: start + (sizes[k] ?? 0), size: sizes[k] ?? 0 }));
  });
}
