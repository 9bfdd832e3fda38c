import type { MetadataChanges } from './exif.ts';
import type { DigitalSource } from './image.ts';

/** One segment of a JPEG file without its namespace line (XMP part 3, 1.1.3), so that every output format can take it. */
const MAX_XMP_BYTES = 65_502;

/** Properties that name a place: GPS, IPTC, Photoshop, and coordinates in words. */
const PLACE =
  /GPS|:(Sub)?location|:City\b|:State\b|:ProvinceState|:Country|:WorldRegion|latitude|longitude|xmlns:\w*geo/i;

/** Packet as text; undefined if it is no UTF-8 or no XMP at all. */
export function readXmp(xmp: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(xmp);
    return /<(\w+:)?RDF[\s>]/.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

export function namesPlace(xmp: string): boolean {
  return PLACE.test(xmp);
}

/** The packet with upright orientation and the new size and density; undefined if it is damaged or too large. */
export function patchXmp(xmp: Uint8Array, { width, height, density }: MetadataChanges): Uint8Array | undefined {
  let text = readXmp(xmp);
  if (text === undefined) return undefined;
  const values: [string, number | string][] = [
    ['tiff:Orientation', 1],
    ['tiff:ImageWidth', width],
    ['tiff:ImageLength', height],
    ['exif:PixelXDimension', width],
    ['exif:PixelYDimension', height],
  ];
  if (density !== undefined) {
    const rational = `${Math.round(density * 1000)}/1000`;
    values.push(['tiff:XResolution', rational], ['tiff:YResolution', rational], ['tiff:ResolutionUnit', 2]);
  }
  for (const [name, value] of values) {
    text = text
      .replaceAll(
        new RegExp(`(\\s${name}\\s*=\\s*)(["'])[^"'<]*\\2`, 'g'),
        (_match, start: string, quote: string) => start + quote + value + quote,
      )
      .replaceAll(new RegExp(`(<${name}\\s*>)[^<]*(?=</${name}\\s*>)`, 'g'), (_match, start: string) => start + value);
  }
  const bytes = new TextEncoder().encode(text);
  return bytes.length <= MAX_XMP_BYTES ? bytes : undefined;
}

const RDF = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#';
const IPTC_EXTENSION = 'http://iptc.org/std/Iptc4xmpExt/2008-02-29/';
const SOURCE_TYPES = 'http://cv.iptc.org/newscodes/digitalsourcetype/';

/**
 * The packet, or a new one, with `DigitalSourceType` (IPTC Photo Metadata Standard) in place of the one that it had. A
 * packet that is not to be understood, or would become too large, stays as it is.
 */
export function withDigitalSource(xmp: Uint8Array | undefined, source: DigitalSource): Uint8Array {
  const description =
    `<rdf:Description xmlns:rdf="${RDF}" rdf:about="" xmlns:Iptc4xmpExt="${IPTC_EXTENSION}">` +
    `<Iptc4xmpExt:DigitalSourceType>${SOURCE_TYPES}${source}</Iptc4xmpExt:DigitalSourceType></rdf:Description>`;
  const text = xmp ? readXmp(xmp) : undefined;
  if (!xmp || text === undefined) {
    const rdf = `<rdf:RDF xmlns:rdf="${RDF}">${description}</rdf:RDF>`;
    return new TextEncoder().encode(`<x:xmpmeta xmlns:x="adobe:ns:meta/">${rdf}</x:xmpmeta>`);
  }
  const end = /<\/(\w+:)?RDF\s*>/;
  if (!end.test(text)) return xmp;
  const labeled = text
    .replaceAll(/\sIptc4xmpExt:DigitalSourceType\s*=\s*(["'])[^"'<]*\1/g, '')
    .replaceAll(/<Iptc4xmpExt:DigitalSourceType\b[^>]*(\/>|>[^<]*<\/Iptc4xmpExt:DigitalSourceType\s*>)/g, '')
    .replace(end, (tag) => description + tag);
  const bytes = new TextEncoder().encode(labeled);
  return bytes.length <= MAX_XMP_BYTES ? bytes : xmp;
}
