import type { Element } from '@xmldom/xmldom';
import {
  type Box,
  cutBox,
  type Placement,
  type Point,
  placeBox,
  placePoint,
  shownPart,
  uprightSize,
} from '../placement.ts';
import { AREA, DIMENSIONS, IPTC_EXTENSION, MICROSOFT_REGION } from './namespaces.ts';
import { around, type Property, readValue, removeItem, structuresOf, writeValue } from './packet.ts';

/** Faces and other regions of a photo: their places in the stored pixels become places in the result. */

type Fields = Map<string, Property>;

/** `width`, `height`: of the result. */
export function placeRegions(
  properties: Property[],
  placement: Placement,
  size: { width: number; height: number },
): void {
  const lists = new Map<Element | undefined, Placement>();
  for (const namespace of DIMENSIONS) {
    for (const fields of structuresOf(properties, namespace)) {
      const list = listAround(fields);
      if (!list) continue; // of a page on paper
      lists.set(list, placementOfList(fields, placement));
      write(fields, 'w', size.width);
      write(fields, 'h', size.height);
      write(fields, 'unit', 'pixel');
    }
  }
  for (const namespace of AREA) {
    for (const fields of structuresOf(properties, namespace)) {
      placeArea(fields, lists.get(listAround(fields)) ?? placement, size);
    }
  }
  for (const fields of structuresOf(properties, MICROSOFT_REGION)) placeRectangle(fields, placement);
  for (const fields of structuresOf(properties, IPTC_EXTENSION)) placeBoundary(fields, placement, size);
}

/** The structure that holds the list of regions and the dimensions that they are for. */
function listAround(fields: Fields): Element | undefined {
  const property = fields.values().next().value;
  return property && around(property, ({ localName }) => localName === 'Regions');
}

/** Some programs speak of the upright photo; the sides that they name tell. */
function placementOfList(fields: Fields, placement: Placement): Placement {
  const [w, h] = [number(fields, 'w'), number(fields, 'h')];
  const { stored } = placement;
  const upright = uprightSize(placement);
  if (upright === stored || !(w > 0 && h > 0) || stored.width === stored.height) return placement;
  const isUpright = w > h === upright.width > upright.height;
  return isUpright ? { ...placement, stored: upright, orientation: 1 } : placement;
}

/** Metadata Working Group, Guidelines for handling image metadata 2.0, 5.9: center and size, or center and diameter. */
function placeArea(fields: Fields, placement: Placement, result: { width: number; height: number }): void {
  const isPixels = fields.has('unit') && readValue(fields.get('unit')!).startsWith('pixel');
  const unit = isPixels ? placement.stored : { width: 1, height: 1 };
  const [x, y] = [number(fields, 'x') / unit.width, number(fields, 'y') / unit.height];
  if (Number.isNaN(x) || Number.isNaN(y)) return;
  const out = isPixels ? result : { width: 1, height: 1 };
  const [w, h] = [number(fields, 'w', 0) / unit.width, number(fields, 'h', 0) / unit.height];
  const box = cutBox(placeBox(placement, [x - w / 2, y - h / 2, x + w / 2, y + h / 2]));
  if (!box) {
    removeItem(fields.values().next().value!);
    return;
  }
  const [left, top, right, bottom] = box;
  write(fields, 'x', ((left + right) / 2) * out.width);
  write(fields, 'y', ((top + bottom) / 2) * out.height);
  write(fields, 'w', (right - left) * out.width);
  write(fields, 'h', (bottom - top) * out.height);
  // A diameter counts by the shorter side.
  const shorter = ({ width, height }: { width: number; height: number }) => Math.min(width, height);
  if (fields.has('d') && !isPixels) {
    write(fields, 'd', (number(fields, 'd') * shorter(placement.stored)) / shorter(shownPart(placement)));
  }
}

/** Microsoft Photo 1.2: "left, top, width, height" in shares of the sides. */
function placeRectangle(fields: Fields, placement: Placement): void {
  const property = fields.get('Rectangle');
  const [left, top, width, height] = property ? readValue(property).split(',').map(Number) : [];
  if (!property || [left, top, width, height].some((value) => value === undefined || Number.isNaN(value))) return;
  const box = cutBox(placeBox(placement, [left!, top!, left! + width!, top! + height!]));
  if (!box) removeItem(property);
  else writeValue(property, [box[0], box[1], box[2] - box[0], box[3] - box[1]].map(rounded).join(', '));
}

/** IPTC Photo Metadata Standard 2023.2, image region: a rectangle, a circle, or the corners of a polygon. */
function placeBoundary(fields: Fields, placement: Placement, result: { width: number; height: number }): void {
  const x = fields.get('rbX');
  if (!x || !fields.has('rbY')) return;
  const boundary = around(x, (element) => unitOf(element) !== undefined);
  const isPixels = boundary !== undefined && unitOf(boundary) === 'pixel';
  const unit = isPixels ? placement.stored : { width: 1, height: 1 };
  const out = isPixels ? result : { width: 1, height: 1 };
  const corner: Point = [number(fields, 'rbX') / unit.width, number(fields, 'rbY') / unit.height];
  if (corner.some(Number.isNaN)) return;
  if (fields.has('rbW')) {
    const far: Box = [
      ...corner,
      corner[0] + number(fields, 'rbW') / unit.width,
      corner[1] + number(fields, 'rbH') / unit.height,
    ];
    const box = cutBox(placeBox(placement, far));
    if (!box) {
      removeItem(x);
      return;
    }
    write(fields, 'rbX', box[0] * out.width);
    write(fields, 'rbY', box[1] * out.height);
    write(fields, 'rbW', (box[2] - box[0]) * out.width);
    write(fields, 'rbH', (box[3] - box[1]) * out.height);
    return;
  }
  const [placedX, placedY] = placePoint(placement, corner);
  write(fields, 'rbX', placedX * out.width);
  write(fields, 'rbY', placedY * out.height);
  if (fields.has('rbRx')) {
    const pixels = number(fields, 'rbRx') * (isPixels ? 1 : placement.stored.width);
    write(fields, 'rbRx', (pixels / shownPart(placement).width) * out.width);
  }
}

/** In attributes or elements of the boundary itself. */
function unitOf(element: Element): string | undefined {
  const attribute = element.getAttributeNS(IPTC_EXTENSION, 'rbUnit');
  if (attribute) return attribute;
  const child = Array.from(element.childNodes).find(
    (node) => (node as Element).localName === 'rbUnit' && (node as Element).namespaceURI === IPTC_EXTENSION,
  );
  return child?.textContent?.trim();
}

function number(fields: Fields, name: string, otherwise = Number.NaN): number {
  const property = fields.get(name);
  return property ? Number.parseFloat(readValue(property)) : otherwise;
}

/** Only where there was something. */
function write(fields: Fields, name: string, value: number | string): void {
  const property = fields.get(name);
  if (property) writeValue(property, typeof value === 'number' ? rounded(value) : value);
}

function rounded(value: number): number {
  return Number(value.toFixed(6));
}
