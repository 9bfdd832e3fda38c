import { jpegSegments, MARKER } from '../../shared/jpeg-header.ts';

/**
 * How often the picture of a JPEG file is gone over (ITU-T T.81 annex B.2.3). A decoder goes over all of its pixels for
 * every scan, and a scan may have 33 bytes. Stops after `most` of them.
 */
export function countJpegScans(bytes: Uint8Array, most: number): number {
  let scans = 0;
  for (const { marker } of jpegSegments(bytes)) {
    if (marker === MARKER.startOfScan) scans++;
    if (scans > most) break;
  }
  return scans;
}
