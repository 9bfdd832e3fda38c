import { type Attr, DOMParser, type Document, type Element, onErrorStopParsing, XMLSerializer } from '@xmldom/xmldom';

/** XMP packets (ISO 16684-1) as trees: properties are elements or attributes, in any prefix. */

export const RDF = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#';

/** One segment of a JPEG file without its namespace line (XMP part 3, 1.1.3), so that every output format can take it. */
const MAX_XMP_BYTES = 65_502;
/**
 * Before thumbnails and the like are taken out. A packet that is larger, or nested deeper than any structure is, is not
 * looked at.
 */
const MAX_READ_BYTES = 512 * 1024;
const MAX_DEPTH = 100;

/** Undefined for data that is no Unicode, no XML, no RDF, or too large. */
export function parseXmp(xmp: Uint8Array): Document | undefined {
  if (xmp.length > MAX_READ_BYTES) return undefined;
  try {
    const text = new TextDecoder(encodingOf(xmp), { fatal: true }).decode(xmp).replace(/\0+$/, '').trim();
    if (text.includes('<!DOCTYPE')) return undefined;
    const document = new DOMParser({ locator: false, onError: onErrorStopParsing }).parseFromString(text, 'text/xml');
    const hasRdf = document.getElementsByTagNameNS('*', 'RDF').length > 0;
    return hasRdf && isShallow(document) ? document : undefined;
  } catch {
    return undefined;
  }
}

function isShallow(document: Document): boolean {
  const depths = new Map<Element, number>();
  for (const element of document.getElementsByTagNameNS('*', '*')) {
    const depth = 1 + ((element.parentElement && depths.get(element.parentElement)) ?? 0);
    if (depth > MAX_DEPTH) return false;
    depths.set(element, depth);
  }
  return true;
}

/** UTF-8, as nearly always; UTF-16 begins with a mark, or with a 0 beside its first letter. */
function encodingOf([first, second]: Uint8Array): string {
  if (first === 0xfe || first === 0) return 'utf-16be';
  return first === 0xff || second === 0 ? 'utf-16le' : 'utf-8';
}

/** The packet with the properties of another one; undefined if that is damaged, or both are too large together. */
export function mergeXmp(xmp: Uint8Array, other: Uint8Array): Uint8Array | undefined {
  const [document, added] = [parseXmp(xmp), parseXmp(other)];
  const rdf = document?.getElementsByTagNameNS('*', 'RDF')[0];
  if (!document || !added || !rdf) return undefined;
  for (const description of Array.from(added.getElementsByTagNameNS(RDF, 'Description'))) {
    if (description.parentElement?.localName === 'RDF') rdf.appendChild(document.importNode(description, true));
  }
  return serializeXmp(document);
}

/** Undefined if it is too large. */
export function serializeXmp(document: Document): Uint8Array | undefined {
  const bytes = new TextEncoder().encode(new XMLSerializer().serializeToString(document));
  return bytes.length <= MAX_XMP_BYTES ? bytes : undefined;
}

/** A property of the packet or of a structure in it. */
export interface Property {
  namespace: string;
  name: string;
  node: Element | Attr;
  /** Whose it is: the element that has the attribute, or that the element is in. */
  owner: Element;
}

/** In the order of the document. */
export function listProperties(document: Document): Property[] {
  const found: Property[] = [];
  for (const element of document.getElementsByTagNameNS('*', '*')) {
    if (element.parentElement && element.namespaceURI && element.namespaceURI !== RDF) {
      found.push({
        namespace: element.namespaceURI,
        name: element.localName ?? '',
        node: element,
        owner: element.parentElement,
      });
    }
    for (const attribute of Array.from(element.attributes)) {
      if (!attribute.namespaceURI || attribute.prefix === 'xmlns' || attribute.namespaceURI === RDF) continue;
      found.push({
        namespace: attribute.namespaceURI,
        name: attribute.localName ?? '',
        node: attribute,
        owner: element,
      });
    }
  }
  return found;
}

export function readValue({ node }: Property): string {
  return (node.nodeType === node.ATTRIBUTE_NODE ? node.nodeValue : node.textContent)?.trim() ?? '';
}

export function writeValue({ node }: Property, value: string | number): void {
  if (node.nodeType === node.ATTRIBUTE_NODE) (node as Attr).value = String(value);
  else node.textContent = String(value);
}

export function removeProperty({ node, owner }: Property): void {
  if (node.nodeType === node.ATTRIBUTE_NODE) owner.removeAttributeNode(node as Attr);
  else node.parentNode?.removeChild(node);
}

/** Structures of one namespace: their properties by name. A structure may be wrapped in an rdf:Description. */
export function structuresOf(properties: Property[], namespace: string): Map<string, Property>[] {
  const byOwner = new Map<Element, Map<string, Property>>();
  for (const property of properties) {
    if (property.namespace !== namespace) continue;
    const fields = byOwner.get(property.owner) ?? new Map<string, Property>();
    byOwner.set(property.owner, fields.set(property.name, property));
  }
  return [...byOwner.values()];
}

/** The next element around the property that `isWanted`. */
export function around({ owner }: Property, isWanted: (element: Element) => boolean): Element | undefined {
  let element: Element | null = owner;
  while (element && !isWanted(element)) element = element.parentElement;
  return element ?? undefined;
}

/** The item of a list that the property is in, gone from the list. */
export function removeItem(property: Property): void {
  const item = around(property, ({ namespaceURI, localName }) => namespaceURI === RDF && localName === 'li');
  item?.parentNode?.removeChild(item);
}
