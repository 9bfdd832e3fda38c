import type { Metadata } from '../image.ts';
import { iptcResource } from '../iptc.ts';
import type { Attachment } from './attachment.ts';

/** The capacity of a segment beside its two bytes of length (ITU-T T.81 annex B.1.1.4). */
const MAX_SEGMENT_BYTES = 65_533;
const PROFILE_NAME = 'ICC_PROFILE\0';

/** JFIF, EXIF 2.32 section 4.5.5, XMP part 3 section 1.1.3, ICC.1:2022 annex B.4: right behind the start of the image. */
export function attachToJpeg(_beginning: Buffer, _bytes: number, metadata: Metadata): Attachment {
  const { icc, density, exif, xmp, iptc, texts = [] } = metadata;
  const parts: Buffer[] = [Buffer.from([0xff, 0xd8])];
  if (density) parts.push(segment(0xe0, 'JFIF\0', jfif(density)));
  if (exif) parts.push(segment(0xe1, 'Exif\0\0', exif));
  if (xmp) parts.push(segment(0xe1, 'http://ns.adobe.com/xap/1.0/\0', xmp));
  if (icc) parts.push(...profileSegments(icc));
  if (iptc) parts.push(segment(0xed, 'Photoshop 3.0\0', iptcResource(iptc)));
  for (const { text } of texts) parts.push(...commentSegments(Buffer.from(text)));
  return { removed: 2, head: Buffer.concat(parts) };
}

/** Version 1.02, pixels an inch, no thumbnail. */
function jfif(density: number): Buffer {
  const data = Buffer.from([1, 2, 1, 0, 0, 0, 0, 0, 0]);
  data.writeUInt16BE(Math.round(density), 3);
  data.writeUInt16BE(Math.round(density), 5);
  return data;
}

function profileSegments(icc: Uint8Array): Buffer[] {
  const most = MAX_SEGMENT_BYTES - PROFILE_NAME.length - 2;
  const count = Math.ceil(icc.length / most);
  return Array.from({ length: count }, (_, k) =>
    segment(0xe2, `${PROFILE_NAME}${String.fromCharCode(k + 1, count)}`, icc.subarray(k * most, (k + 1) * most)),
  );
}

/** A long one goes on in the next. */
function commentSegments(text: Buffer): Buffer[] {
  const count = Math.ceil(text.length / MAX_SEGMENT_BYTES);
  return Array.from({ length: count }, (_, k) =>
    segment(0xfe, '', text.subarray(k * MAX_SEGMENT_BYTES, (k + 1) * MAX_SEGMENT_BYTES)),
  );
}

function segment(marker: number, name: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const head = Buffer.from([0xff, marker, 0, 0]);
  head.writeUInt16BE(body.length + 2, 2);
  return Buffer.concat([head, body]);
}
