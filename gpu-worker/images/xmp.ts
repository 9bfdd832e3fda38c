import type { MetadataChanges } from './exif.ts';
import type { DigitalSource } from './image.ts';
import { shownPart } from './placement.ts';
import { correctValues, placeCrop, placeSubject, scaleDensity, scalePanorama } from './xmp/fields.ts';
import { IPTC_EXTENSION } from './xmp/namespaces.ts';
import { listProperties, parseXmp, RDF, removeProperty, serializeXmp } from './xmp/packet.ts';
import { removePromises } from './xmp/promises.ts';
import { placeRegions } from './xmp/regions.ts';

/** Properties that name a place: GPS, IPTC, Photoshop, and coordinates in words. */
const PLACE =
  /GPS|:(Sub)?location|:City\b|:State\b|:ProvinceState|:Country|:WorldRegion|latitude|longitude|xmlns:\w*geo/i;

export function namesPlace(xmp: string): boolean {
  return PLACE.test(xmp);
}

/**
 * The packet as it is true of the result: upright, in the new size and density, regions where they are now, nothing
 * said of absent parts. Undefined if it is damaged or too large. Adds notes.
 */
export function patchXmp(xmp: Uint8Array, changes: MetadataChanges, notes: string[] = []): Uint8Array | undefined {
  const document = parseXmp(xmp);
  if (!document) return undefined;
  const { placement } = changes;
  const isMoved = placement !== undefined && (placement.orientation !== 1 || placement.crop !== undefined);
  removePromises(listProperties(document), { isMoved, hasProfile: changes.hasProfile ?? false }, notes);
  const properties = listProperties(document);
  correctValues(properties, changes);
  if (placement) {
    if (changes.density === undefined) scaleDensity(properties, changes.width / shownPart(placement).width);
    placeRegions(properties, placement, changes);
    placeSubject(properties, placement, changes);
    placeCrop(properties, placement, changes);
    scalePanorama(properties, placement, changes);
  }
  return serializeXmp(document);
}

const SOURCE_TYPES = 'http://cv.iptc.org/newscodes/digitalsourcetype/';

/**
 * The packet, or a new one, with `DigitalSourceType` (IPTC Photo Metadata Standard) in place of the one that it had. A
 * packet that is not to be understood, or would become too large, stays as it is.
 */
export function withDigitalSource(xmp: Uint8Array | undefined, source: DigitalSource): Uint8Array {
  const document = xmp && parseXmp(xmp);
  const rdf = document?.getElementsByTagNameNS('*', 'RDF')[0];
  const value = `${SOURCE_TYPES}${source}`;
  if (!xmp || !document || !rdf) {
    const description =
      `<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="${IPTC_EXTENSION}">` +
      `<Iptc4xmpExt:DigitalSourceType>${value}</Iptc4xmpExt:DigitalSourceType></rdf:Description>`;
    const packet = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="${RDF}">${description}</rdf:RDF></x:xmpmeta>`;
    return new TextEncoder().encode(packet);
  }
  for (const property of listProperties(document)) {
    if (property.namespace === IPTC_EXTENSION && property.name === 'DigitalSourceType') removeProperty(property);
  }
  // All descriptions of a packet are about the same thing (ISO 16684-1, 7.4).
  const about = document.getElementsByTagNameNS(RDF, 'Description')[0]?.getAttributeNS(RDF, 'about') ?? '';
  const description = document.createElementNS(RDF, 'rdf:Description');
  description.setAttributeNS(RDF, 'rdf:about', about);
  const property = document.createElementNS(IPTC_EXTENSION, 'Iptc4xmpExt:DigitalSourceType');
  property.textContent = value;
  description.appendChild(property);
  rdf.appendChild(description);
  return serializeXmp(document) ?? xmp;
}
