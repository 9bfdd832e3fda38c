import {
  entryOf,
  openTiff,
  readDirectory,
  readNumber,
  readRational,
  TIFF_TYPE,
  type Tiff,
  type TiffDirectory,
} from '../../shared/tiff.ts';

/** How densely a photo is to be printed, as EXIF and TIFF files say it. */

const RESOLUTION = { across: 282, down: 283, unit: 296 };
const INCH = 2;
const CM_PER_INCH = 2.54;

/** Pixels an inch. */
export type Density = [across: number, down: number];

/** Undefined where the block does not say. */
export function exifDensity(exif: Uint8Array): Density | undefined {
  const tiff = openTiff(exif);
  const main = tiff && readDirectory(tiff, tiff.firstDirectory);
  return main && directoryDensity(tiff, main);
}

export function directoryDensity(tiff: Tiff, directory: TiffDirectory): Density | undefined {
  const unit = { 2: 1, 3: CM_PER_INCH }[readNumber(tiff, directory, RESOLUTION.unit) ?? INCH];
  const across = readRational(tiff, entryOf(directory, RESOLUTION.across));
  const down = readRational(tiff, entryOf(directory, RESOLUTION.down)) ?? across;
  return unit === undefined || across === undefined || down === undefined ? undefined : [across * unit, down * unit];
}

/** A block that says the density and nothing else, for formats that have no other place for it. */
export function createDensityExif(density: number): Uint8Array {
  const bytes = new Uint8Array(66);
  const view = new DataView(bytes.buffer);
  bytes.set([0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 3]);
  for (const [k, [tag, type, value]] of [
    [RESOLUTION.across, TIFF_TYPE.rational, 50],
    [RESOLUTION.down, TIFF_TYPE.rational, 58],
    [RESOLUTION.unit, TIFF_TYPE.short, INCH * 65_536],
  ].entries() as IterableIterator<[number, [number, number, number]]>) {
    view.setUint16(10 + 12 * k, tag);
    view.setUint16(12 + 12 * k, type);
    view.setUint32(14 + 12 * k, 1);
    view.setUint32(18 + 12 * k, value);
  }
  for (const at of [50, 58]) {
    view.setUint32(at, Math.round(density * 1000));
    view.setUint32(at + 4, 1000);
  }
  return bytes;
}
