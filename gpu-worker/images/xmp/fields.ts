import type { Element } from '@xmldom/xmldom';
import { swapsSides } from '../../../shared/orientation.ts';
import { type Placement, placeBox, placeSubjectArea, shownPart } from '../placement.ts';
import { CAMERA_RAW, DUBLIN_CORE, EXIF, GOOGLE_PANORAMA, PHOTOSHOP, TIFF } from './namespaces.ts';
import { type Property, readValue, removeProperty, structuresOf, writeValue } from './packet.ts';

/** Numbers of XMP about size, density and crop, made true of the result. */

interface Result {
  width: number;
  height: number;
  /** Pixels an inch. */
  density?: number | undefined;
  channels?: 1 | 3 | undefined;
  mime?: string | undefined;
}

/** Of namespace and name. */
export function correctValues(properties: Property[], { width, height, density, channels, mime }: Result): void {
  const rational = density === undefined ? undefined : `${Math.round(density * 1000)}/1000`;
  const inch = density === undefined ? undefined : 2;
  const values: Record<string, string | number | undefined> = {
    [`${TIFF}Orientation`]: 1,
    [`${TIFF}ImageWidth`]: width,
    [`${TIFF}ImageLength`]: height,
    [`${TIFF}XResolution`]: rational,
    [`${TIFF}YResolution`]: rational,
    [`${TIFF}ResolutionUnit`]: inch,
    [`${EXIF}PixelXDimension`]: width,
    [`${EXIF}PixelYDimension`]: height,
    [`${PHOTOSHOP}ColorMode`]: channels,
    [`${DUBLIN_CORE}format`]: mime,
  };
  for (const property of properties) {
    const value = values[property.namespace + property.name];
    if (value !== undefined) writeValue(property, value);
  }
}

/** Densities that are no single number of pixels an inch, and so were not read, are multiplied. */
export function scaleDensity(properties: Property[], factor: number): void {
  for (const property of properties) {
    if (property.namespace !== TIFF || !/^[XY]Resolution$/.test(property.name)) continue;
    const [over = Number.NaN, under = 1] = readValue(property).split('/').map(Number);
    if (Number.isFinite(over / under)) writeValue(property, `${Math.round((over / under) * factor * 1000)}/1000`);
  }
}

/** The subject of the photo: `SubjectArea` and `SubjectLocation` of EXIF as lists of whole pixels. */
export function placeSubject(properties: Property[], placement: Placement, result: Result): void {
  for (const { namespace, name, node } of properties) {
    if (namespace !== EXIF || (name !== 'SubjectArea' && name !== 'SubjectLocation')) continue;
    const items = Array.from((node as Element).getElementsByTagNameNS?.('*', 'li') ?? []);
    const placed = placeSubjectArea(
      items.map((item) => Number(item.textContent)),
      placement,
      result,
    );
    for (const [k, item] of items.entries()) item.textContent = String(placed[k]);
  }
}

/** Google Photo Sphere XMP: all in pixels of the panorama. */
export function scalePanorama(properties: Property[], placement: Placement, result: Result): void {
  const part = shownPart(placement);
  for (const property of properties) {
    if (property.namespace !== GOOGLE_PANORAMA || !/(Pixels|Rect(Left|Top|Width|Height))$/.test(property.name))
      continue;
    const isAcross = /Width|Left/.test(property.name);
    const factor = isAcross ? result.width / part.width : result.height / part.height;
    const value = Number(readValue(property));
    if (Number.isFinite(value)) writeValue(property, Math.round(value * factor));
  }
}

const MIRRORED = [2, 4, 5, 7];

/** Camera Raw: a crop that is still to be made, in shares of the stored sides. There is none in a part of the photo. */
export function placeCrop(properties: Property[], placement: Placement, result: Result): void {
  for (const fields of structuresOf(properties, CAMERA_RAW)) {
    const edges = ['CropLeft', 'CropTop', 'CropRight', 'CropBottom'].map((name) => fields.get(name));
    const hasCrop = fields.get('HasCrop');
    if (placement.crop) {
      if (hasCrop) writeValue(hasCrop, 'False');
      for (const [name, property] of fields) if (name.startsWith('Crop')) removeProperty(property);
      continue;
    }
    const values = edges.map((edge) => (edge ? Number(readValue(edge)) : Number.NaN));
    if (!values.some(Number.isNaN)) {
      const placed = placeBox(placement, values as [number, number, number, number]);
      for (const [k, edge] of edges.entries()) writeValue(edge!, Number(placed[k]!.toFixed(6)));
    }
    const angle = fields.get('CropAngle');
    if (angle && MIRRORED.includes(placement.orientation)) writeValue(angle, -Number(readValue(angle)) || 0);
    placeCropSize(fields, placement, result);
  }
}

const PIXELS = '0';

function placeCropSize(fields: Map<string, Property>, placement: Placement, result: Result): void {
  const [width, height, unit] = [fields.get('CropWidth'), fields.get('CropHeight'), fields.get('CropUnit')];
  if (!width || !height) return;
  const factor = unit && readValue(unit) === PIXELS ? result.width / shownPart(placement).width : 1;
  const sides = [readValue(width), readValue(height)].map((side) => Number((Number(side) * factor).toFixed(3)));
  if (swapsSides(placement.orientation)) sides.reverse();
  writeValue(width, sides[0]!);
  writeValue(height, sides[1]!);
}
