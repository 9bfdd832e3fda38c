import { refuseRawTiff } from './camera-raw.ts';
import type { StoredSize } from './image-header.ts';
import { entryOf, openTiff, readNumbers, type TiffDirectory, type TiffEntry } from './tiff.ts';
import { choosePage, listDirectories, listPages, type TiffPage } from './tiff-pages.ts';
import { checkTiffSamples } from './tiff-samples.ts';

const ORIENTATION = 274;

/** The photo of a TIFF file, and its other parts. */
export interface TiffPhoto extends TiffPage {
  /** Pictures that are no smaller copies of others. */
  pictures: number;
  /** Of the picture before it that is a smaller one, if there is one: its data about the photo hold for both. */
  thumbnail?: TiffDirectory;
}

/** Throws RangeError if there is no picture. */
export function readTiffPhoto(bytes: Uint8Array): TiffPhoto {
  const tiff = openTiff(bytes);
  const pages = tiff ? listPages(tiff) : [];
  const chosen = choosePage(pages);
  if (!chosen) throw new RangeError('no size in any directory');
  const others = pages.filter((page) => page !== chosen && page.subDirectory === undefined && !page.isReduced);
  const [first] = pages;
  return { ...chosen, pictures: others.length + 1, ...(first !== chosen && { thumbnail: first!.directory }) };
}

/** Of the photo, or else of its thumbnail. */
export function photoEntry({ directory, thumbnail }: TiffPhoto, tag: number): TiffEntry | undefined {
  return entryOf(directory, tag) ?? (thumbnail && entryOf(thumbnail, tag));
}

/**
 * TIFF 6.0: size and orientation of the photo, whose directory often lies at the end of the file.
 * Throws `unsupported-media-type` for camera RAW, and for samples that are not read.
 */
export function readTiffSize(bytes: Uint8Array): StoredSize {
  const tiff = openTiff(bytes);
  if (!tiff) throw new RangeError('no TIFF header');
  refuseRawTiff(
    tiff,
    listDirectories(tiff).map(({ directory }) => directory),
  );
  const photo = readTiffPhoto(bytes);
  const { width, height, directory } = photo;
  checkTiffSamples(tiff, directory);
  const [orientation = 1] = readNumbers(tiff, photoEntry(photo, ORIENTATION));
  return { width, height, orientation: orientation >= 1 && orientation <= 8 ? orientation : 1 };
}
