import type { MetadataChanges } from './exif.ts';

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
