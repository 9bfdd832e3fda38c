import { textAt, viewOf } from '../../../shared/byte-view.ts';
import { CUT, type Damage } from './damage.ts';

/** More than any animation has. */
const MAX_CHUNKS = 100_000;
const PIXELS = ['VP8 ', 'VP8L', 'ANMF'];
/** Of VP8X, by the chunk that each announces. */
const FLAGS = { EXIF: 0x08, 'XMP ': 0x04 };

/**
 * RFC 9649: whether all chunks are there. The data behind the pixels is given up if it is not whole, since libwebp
 * reads nothing of such a file; pixels that are cut off are left to it.
 */
export function inspectWebp(file: Uint8Array): Damage {
  const view = viewOf(file);
  const announced = 8 + view.getUint32(4, true);
  if (file.length >= announced) return { bytes: file, lost: 0 };
  let whole = 12;
  const names: string[] = [];
  for (let at = 12; at + 8 <= file.length; ) {
    const end = at + 8 + view.getUint32(at + 4, true);
    if (end > file.length) break;
    if (names.length === MAX_CHUNKS) return { bytes: file, lost: 0 };
    names.push(textAt(file, at, 4));
    at = end + (end & 1);
    whole = at;
  }
  if (!names.some((name) => PIXELS.includes(name))) return { bytes: file, lost: 0 };
  const bytes = Buffer.alloc(whole); // a padding byte may be missing, too
  bytes.set(file.subarray(0, whole));
  bytes.writeUInt32LE(whole - 8, 4);
  if (names[0] === 'VP8X') {
    for (const [name, flag] of Object.entries(FLAGS)) if (!names.includes(name)) bytes[20]! &= ~flag;
  }
  return { bytes, lost: 0, words: CUT };
}
