import { deflateSync } from 'node:zlib';
import { CHUNK, pngChunks } from '../../../shared/png-header.ts';
import type { Text } from '../beside/beside.ts';
import type { Metadata } from '../image.ts';
import { pngChunk } from '../png-chunk.ts';
import type { Attachment } from './attachment.ts';

const METERS_PER_INCH = 0.0254;

/** PNG third edition, 5.6: all of it before the pixels, where every reader looks. */
export function attachToPng(beginning: Buffer, _bytes: number, metadata: Metadata): Attachment {
  const { icc, density, exif, xmp, texts = [] } = metadata;
  const chunks: Buffer[] = [];
  let removed = 8;
  for (const { name, start, end } of pngChunks(beginning)) {
    if (name === CHUNK.IDAT) break;
    // libvips writes a density, whether there is one or not.
    if (name !== CHUNK.pHYs) chunks.push(beginning.subarray(start, end));
    removed = end;
  }
  if (icc) chunks.push(pngChunk('iCCP', Buffer.from('ICC profile\0\0', 'latin1'), deflateSync(icc)));
  if (density) chunks.push(pngChunk('pHYs', resolution(density)));
  if (exif) chunks.push(pngChunk('eXIf', exif));
  if (xmp) chunks.push(pngChunk('iTXt', Buffer.from('XML:com.adobe.xmp\0\0\0\0\0', 'latin1'), xmp));
  for (const text of texts) chunks.push(textChunk(text));
  return { removed, head: Buffer.concat([beginning.subarray(0, 8), ...chunks]) };
}

function resolution(density: number): Buffer {
  const data = Buffer.alloc(9, 1); // the last byte is the unit: meters
  const pixelsPerMeter = Math.round(density / METERS_PER_INCH);
  data.writeUInt32BE(pixelsPerMeter, 0);
  data.writeUInt32BE(pixelsPerMeter, 4);
  return data;
}

/** Where Latin-1 does not suffice, in UTF-8, not compressed and of no language. */
function textChunk({ keyword, text }: Text): Buffer {
  const name = Buffer.from(`${keyword}\0`, 'latin1');
  const isLatin = [...text].every((character) => character <= '\xff');
  if (isLatin) return pngChunk('tEXt', name, Buffer.from(text, 'latin1'));
  return pngChunk('iTXt', name, Buffer.alloc(4), Buffer.from(text));
}
