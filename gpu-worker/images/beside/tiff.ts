import { entryOf, openTiff, type Tiff } from '../../../shared/tiff.ts';
import { photoEntry, readTiffPhoto, type TiffPhoto } from '../../../shared/tiff-header.ts';
import { directoryDensity } from '../exif-density.ts';
import type { Beside } from './beside.ts';
import { collectExif, hasMakerNote } from './tiff-exif.ts';

const TAG = { xmp: 700, iptc: 33723, icc: 34675, layers: 37724 } as const;

export function besideTiff(file: Buffer): Beside {
  const tiff = openTiff(file);
  if (!tiff) return { lost: [] };
  const photo = readTiffPhoto(file);
  const density = directoryDensity(tiff, photo.directory);
  const exif = collectExif(tiff, photo);
  const beside: Beside = { lost: [], ...(density && { density }), ...(exif && { exif }) };
  if (hasMakerNote(tiff, photo)) beside.lost.push("The maker's notes in the camera data of TIFF files are not kept.");
  if (photoEntry(photo, TAG.layers))
    beside.lost.push('The layers of Photoshop are not kept; the picture as it was saved is.');
  for (const name of ['xmp', 'iptc', 'icc'] as const) {
    const value = inheritedValue(tiff, photo, TAG[name]);
    if (value) beside[name] = value;
  }
  return beside;
}

/** libvips reads the directory of the photo, and not that of its thumbnail. */
function inheritedValue({ view }: Tiff, photo: TiffPhoto, tag: number): Uint8Array | undefined {
  const entry = entryOf(photo.directory, tag) ? undefined : photoEntry(photo, tag);
  if (!entry || entry.valueBytes === 0) return undefined;
  return new Uint8Array(view.buffer, view.byteOffset + entry.valueOffset, entry.valueBytes);
}
