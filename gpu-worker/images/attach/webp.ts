import { readWebpSize } from '../../../shared/image-header.ts';
import type { Metadata } from '../image.ts';
import type { Attachment } from './attachment.ts';

const FLAGS = { icc: 0x20, alpha: 0x10, exif: 0x08, xmp: 0x04 };
const RIFF_BYTES = 12;
const EXTENDED_BYTES = 18;

/** RFC 9649 section 2.7: VP8X, which makes the file an extended one, the profile before the pixels, the rest behind. */
export function attachToWebp(beginning: Buffer, bytes: number, { icc, exif, xmp }: Metadata): Attachment {
  if (!icc && !exif && !xmp) return { removed: 0, head: new Uint8Array() };
  const isExtended = beginning.toString('latin1', 12, 16) === 'VP8X';
  const removed = RIFF_BYTES + (isExtended ? EXTENDED_BYTES : 0);
  const profile = icc ? chunk('ICCP', icc) : Buffer.alloc(0);
  const tail = Buffer.concat([...(exif ? [chunk('EXIF', exif)] : []), ...(xmp ? [chunk('XMP ', xmp)] : [])]);

  const { width, height } = readWebpSize(beginning);
  const extended = Buffer.alloc(10);
  extended[0] =
    (hasAlpha(beginning) ? FLAGS.alpha : 0) | (icc ? FLAGS.icc : 0) | (exif ? FLAGS.exif : 0) | (xmp ? FLAGS.xmp : 0);
  extended.writeUIntLE(width - 1, 4, 3);
  extended.writeUIntLE(height - 1, 7, 3);
  const riff = Buffer.from('RIFF\0\0\0\0WEBP', 'latin1');
  const head = Buffer.concat([riff, chunk('VP8X', extended), profile]);
  head.writeUInt32LE(bytes - removed + head.length + tail.length - 8, 4);
  return { removed, head, tail };
}

/** By the flags of an extended file, or by the header of a lossless one (section 3.4). */
function hasAlpha(beginning: Buffer): boolean {
  const kind = beginning.toString('latin1', 12, 16);
  if (kind === 'VP8X') return (beginning[20]! & FLAGS.alpha) !== 0;
  return kind === 'VP8L' && (beginning[24]! & 0x10) !== 0;
}

function chunk(name: string, data: Uint8Array): Buffer {
  const head = Buffer.from(`${name}\0\0\0\0`, 'latin1');
  head.writeUInt32LE(data.length, 4);
  return Buffer.concat([head, data, Buffer.alloc(data.length & 1)]);
}
