import { textAt, viewOf } from './byte-view.ts';
import { type ColorEncoding, encodingOf, SRGB } from './color-encoding.ts';
import { AppError } from './error.ts';
import { exifOrientation, type StoredSize } from './image-header.ts';

/** One chunk of a PNG file (PNG third edition, 5.3). */
interface PngChunk {
  /** Four letters as the number that DataView reads: files of millions of empty chunks are walked fast this way. */
  name: number;
  start: number;
  /** Offset of the data. */
  body: number;
  /** Offset behind the check sum; may lie beyond the end of a file that is cut off. */
  end: number;
}

export const CHUNK = {
  IHDR: 0x49484452,
  IDAT: 0x49444154,
  IEND: 0x49454e44,
  acTL: 0x6163544c,
  caBX: 0x63614258,
  cICP: 0x63494350,
  cHRM: 0x6348524d,
  eXIf: 0x65584966,
  gAMA: 0x67414d41,
  iCCP: 0x69434350,
  iTXt: 0x69545874,
  pHYs: 0x70485973,
  sRGB: 0x73524742,
  tEXt: 0x74455874,
  zTXt: 0x7a545874,
} as const;

/** The chunks up to IEND, which comes too. */
export function* pngChunks(bytes: Uint8Array): Generator<PngChunk> {
  const view = viewOf(bytes);
  for (let start = 8; start + 8 <= bytes.length; ) {
    const chunk = { name: view.getUint32(start + 4), start, body: start + 8, end: start + 12 + view.getUint32(start) };
    yield chunk;
    if (chunk.name === CHUNK.IEND) return;
    start = chunk.end;
  }
}

/** PNG third edition: IHDR comes first, eXIf may come after the pixels. */
export function readPngSize(bytes: Uint8Array): StoredSize {
  const view = viewOf(bytes);
  if (textAt(bytes, 12, 4) === 'CgBI') {
    throw new AppError(
      'unsupported-media-type',
      "The file is Apple's own kind of PNG (CgBI), out of a program for iPhones.",
    );
  }
  if (textAt(bytes, 12, 4) !== 'IHDR') throw new RangeError('no IHDR');
  let orientation = 1;
  for (const { name, body, end } of pngChunks(bytes)) {
    if (name === CHUNK.eXIf) orientation = exifOrientation(bytes.subarray(body, end - 4));
  }
  const colors = readPngColors(bytes);
  return { width: view.getUint32(16), height: view.getUint32(20), orientation, ...(colors && { colors }) };
}

/**
 * PNG third edition, 4.3: of the chunks before the pixels, cICP before a profile before sRGB before gAMA and cHRM.
 * Undefined if there is nothing, or sRGB. Throws `hdr-unsupported`.
 */
function readPngColors(bytes: Uint8Array): ColorEncoding | undefined {
  const view = viewOf(bytes);
  const found: Partial<Record<number, number>> = {};
  for (const { name, body } of pngChunks(bytes)) {
    if (name === CHUNK.IDAT) break;
    found[name] ??= body;
  }
  const { [CHUNK.cICP]: cicp, [CHUNK.sRGB]: srgb, [CHUNK.gAMA]: gama, [CHUNK.cHRM]: chrm } = found;
  if (cicp !== undefined) {
    return { ...encodingOf(view.getUint8(cicp), view.getUint8(cicp + 1)), beforeProfile: true };
  }
  if (srgb !== undefined || (gama ?? chrm) === undefined) return undefined;
  const gamma = gama === undefined ? 0 : view.getUint32(gama) / 100_000;
  const point = (k: number): [number, number] => [view.getUint32(chrm! + 8 * k), view.getUint32(chrm! + 8 * k + 4)];
  const scaled = (k: number) => point(k).map((value) => value / 100_000) as [number, number];
  return {
    chromaticities: chrm === undefined ? SRGB.chromaticities : [scaled(0), scaled(1), scaled(2), scaled(3)],
    transfer: gamma > 0 ? 1 / gamma : 'sRGB',
  };
}
