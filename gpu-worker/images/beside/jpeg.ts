import { jpegSegments, MARKER } from '../../../shared/jpeg-header.ts';
import { entryOf, openTiff, readDirectory } from '../../../shared/tiff.ts';
import { APPLE_GAIN_MAP, GOOGLE_CAMERA, HDR_GAIN_MAP } from '../xmp/namespaces.ts';
import { listProperties, parseXmp, readValue } from '../xmp/packet.ts';
import { type Beside, CREDENTIALS_NOTE, decodeText, FILM_NOTE, GAIN_MAP_NOTE } from './beside.ts';

const CM_PER_INCH = 2.54;
const MAX_COMMENTS = 1000;
const XMP = 'http://ns.adobe.com/xap/1.0/\0';
const EXTENDED_XMP = 'http://ns.adobe.com/xmp/extension/\0';
const ISO_GAIN_MAP = 'urn:iso:std:iso:ts:21496:-1';
const GAIN_MAPS = [HDR_GAIN_MAP, APPLE_GAIN_MAP, ISO_GAIN_MAP];
/** Of Samsung, and the first bytes of films. */
const FILM_TRAILERS = ['MotionPhoto_Data', 'ftypmp4', 'ftypisom', 'ftypqt'];

/** Data in the segments of a JPEG file, and behind its end, where phones put films and gain maps. */
export function besideJpeg(file: Buffer): Beside {
  const beside: Beside = { lost: [] };
  const lost = new Set<string>();
  let end = file.length;
  let pictures = 1;
  const extensions: Buffer[] = [];
  const comments: Buffer[] = [];
  for (const { marker, body, end: next } of jpegSegments(file)) {
    const data = file.subarray(body, next);
    const name = data.toString('latin1', 0, 40);
    if (marker === MARKER.endOfImage) end = next;
    if (marker === 0xe0 && name.startsWith('JFIF\0') && data.length >= 12) {
      const factor = { 1: 1, 2: CM_PER_INCH }[data[7]!];
      if (factor) beside.density = [data.readUInt16BE(8) * factor, data.readUInt16BE(10) * factor];
    }
    // libvips takes the extension for the packet if it comes first.
    if (marker === 0xe1 && name.startsWith(XMP)) beside.xmp ??= data.subarray(XMP.length);
    if (marker === 0xe1 && name.startsWith(EXTENDED_XMP)) extensions.push(data.subarray(EXTENDED_XMP.length));
    if (marker === 0xe2 && name.startsWith('MPF\0')) pictures = countPictures(data.subarray(4));
    if (marker === 0xe2 && name.startsWith(ISO_GAIN_MAP)) lost.add(GAIN_MAP_NOTE);
    if (marker === 0xeb && data.includes('c2pa')) lost.add(CREDENTIALS_NOTE);
    if (marker === 0xfe && data.length > 0 && comments.length < MAX_COMMENTS) comments.push(data);
  }
  const behind = file.subarray(end);
  const { gainMap, film } = announcedBy(beside.xmp);
  if (gainMap || GAIN_MAPS.some((name) => behind.includes(name))) lost.add(GAIN_MAP_NOTE);
  if (film || FILM_TRAILERS.some((name) => behind.includes(name))) lost.add(FILM_NOTE);
  const others = pictures - 1 - (lost.has(GAIN_MAP_NOTE) ? 1 : 0);
  if (others > 0) lost.add(`The file holds ${pictures} pictures (MPF); the first one was taken.`);
  beside.texts = comments.map((data) => ({ keyword: 'Comment', text: decodeText(data) }));
  beside.lost.push(...lost);
  if (extensions.length > 0) beside.xmpExtension = joinExtensions(extensions);
  return beside;
}

/** The parts of the file that the packet announces, as Google, Adobe and Apple write it. */
function announcedBy(xmp: Uint8Array | undefined): { gainMap: boolean; film: boolean } {
  const document = xmp && parseXmp(xmp);
  const properties = document ? listProperties(document) : [];
  return {
    gainMap: properties.some(({ namespace }) => namespace === HDR_GAIN_MAP || namespace === APPLE_GAIN_MAP),
    film: properties.some(
      (property) =>
        property.namespace === GOOGLE_CAMERA &&
        /^(MotionPhoto|MicroVideo)$/.test(property.name) &&
        readValue(property) === '1',
    ),
  };
}

/** XMP part 3, 1.1.3.1: 32 bytes of digest, the length of the whole, the offset of this part. */
function joinExtensions(parts: Buffer[]): Buffer {
  const whole = Buffer.alloc(parts.reduce((sum, part) => sum + Math.max(0, part.length - 40), 0));
  for (const part of parts) {
    const offset = part.length >= 40 ? part.readUInt32BE(36) : whole.length;
    if (offset < whole.length) whole.set(part.subarray(40, 40 + whole.length - offset), offset);
  }
  return whole;
}

/** CIPA DC-007, 5.2.3.3: the entries of `MPEntry`, but for previews of the first picture (large thumbnails). */
function countPictures(mpf: Uint8Array): number {
  const tiff = openTiff(mpf);
  const directory = tiff && readDirectory(tiff, tiff.firstDirectory);
  const entry = directory && entryOf(directory, 0xb002);
  if (!tiff || !entry) return 1;
  const kinds = Array.from({ length: Math.min(Math.floor(entry.valueBytes / 16), 100) }, (_, k) =>
    tiff.view.getUint32(entry.valueOffset + 16 * k, tiff.littleEndian),
  );
  return kinds.filter((kind) => (kind & 0xff0000) !== 0x010000).length;
}
