import { textAt, viewOf } from '../../shared/byte-view.ts';

/** Captions, credits and places as IPTC-IIM records, which Photoshop keeps as one of its image resources. */

const RESOURCE = 0x0404;
const RECORD_MARK = 0x1c;
/** One segment of a JPEG file holds the name of the owner, and a resource with its head. */
export const MAX_IPTC_BYTES = 65_500;

/** The records alone, out of a JPEG segment, out of resources, or as they are; undefined if there are none. */
export function readIptc(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes[0] === RECORD_MARK) return bytes;
  const view = viewOf(bytes);
  for (let at = textAt(bytes, 0, 13) === 'Photoshop 3.0' ? 14 : 0; at + 12 <= bytes.length; ) {
    if (textAt(bytes, at, 4) !== '8BIM') return undefined;
    const name = 1 + bytes[at + 6]!;
    const start = at + 6 + name + (name & 1) + 4;
    if (start > bytes.length) return undefined;
    const length = view.getUint32(start - 4);
    const data = bytes.subarray(start, start + length);
    if (view.getUint16(at + 4) === RESOURCE && data[0] === RECORD_MARK) return data;
    at = start + length + (length & 1);
  }
  return undefined;
}

/** The resource with the records, as JPEG segments and Photoshop's tag of TIFF hold it. */
export function iptcResource(records: Uint8Array): Buffer {
  const head = Buffer.from('8BIM\x04\x04\0\0\0\0\0\0', 'latin1');
  head.writeUInt32BE(records.length, 8);
  return Buffer.concat([head, records, Buffer.alloc(records.length & 1)]);
}
