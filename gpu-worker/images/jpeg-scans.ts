import { viewOf } from '../../shared/image-header.ts';

/**
 * How often the picture of a JPEG file is gone over (ITU-T T.81 annex B.2.3). A decoder goes over all of its pixels for
 * every scan, and a scan may have 33 bytes. Stops after `most` of them.
 */
export function countJpegScans(bytes: Uint8Array, most: number): number {
  const view = viewOf(bytes);
  let scans = 0;
  for (let at = 2; at + 4 <= bytes.length && scans <= most; ) {
    const marker = bytes[at + 1]!;
    if (bytes[at] !== 0xff || marker === 0xff || marker === 0) {
      at = nextMarker(bytes, at + 1); // coded pixels, fill bytes, or garbage that decoders skip as well
      continue;
    }
    if (marker === 0xd9) break;
    if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2; // markers without a length
      continue;
    }
    if (marker === 0xda) scans++;
    at += 2 + view.getUint16(at + 2);
  }
  return scans;
}

function nextMarker(bytes: Uint8Array, from: number): number {
  const at = bytes.indexOf(0xff, from);
  return at < 0 ? bytes.length : at;
}
