import { entryOf, readDirectory, readNumber, readNumbers, type Tiff, type TiffDirectory } from './tiff.ts';

/** Which of the pictures in a TIFF file is the photo: not always the first, which may be a thumbnail. */

const TIFF_TAG = {
  newSubfileType: 254,
  subfileType: 255,
  width: 256,
  height: 257,
  subDirectories: 330,
} as const;

/** A picture, with the numbers by which decoders open it. */
export interface TiffPage {
  directory: TiffDirectory;
  width: number;
  height: number;
  /** From 0, in the chain of directories. */
  page: number;
  /** From 0, of those below that page; absent: the page itself. */
  subDirectory?: number;
  /** A smaller copy of another picture, by its own word. */
  isReduced: boolean;
}

/** More than any writer makes. A hostile file has them overlap, so that each byte would be read thousands of times. */
const MAX_ENTRIES = 100_000;

/** A picture that does not call itself a thumbnail is taken for one up to this size, if a much larger one of its shape follows. */
const THUMBNAIL_SIDE = 512;

/** All directories of the chain and those right below them, as far as they lie inside the file. */
export function listDirectories(tiff: Tiff): { directory: TiffDirectory; page: number; subDirectory?: number }[] {
  const seen = new Set<number>();
  let entries = 0;
  const open = (offset: number) => {
    if (seen.has(offset)) return undefined;
    seen.add(offset);
    const directory = readDirectory(tiff, offset);
    entries += directory?.entries.length ?? 0;
    if (entries > MAX_ENTRIES) throw new RangeError('too many directories');
    return directory;
  };
  const found: { directory: TiffDirectory; page: number; subDirectory?: number }[] = [];
  let directory = open(tiff.firstDirectory);
  for (let page = 0; directory; page++) {
    found.push({ directory, page });
    for (const [subDirectory, offset] of readNumbers(tiff, entryOf(directory, TIFF_TAG.subDirectories)).entries()) {
      const below = open(offset);
      if (below) found.push({ directory: below, page, subDirectory });
    }
    directory = open(tiff.view.getUint32(directory.nextLink, tiff.littleEndian));
  }
  return found;
}

/** The pictures of the file in its order. Transparency masks are none. */
export function listPages(tiff: Tiff): TiffPage[] {
  return listDirectories(tiff).flatMap((found): TiffPage[] => {
    const number = (tag: number) => readNumber(tiff, found.directory, tag);
    const kind = number(TIFF_TAG.newSubfileType) ?? (number(TIFF_TAG.subfileType) === 2 ? 1 : 0);
    const [width, height] = [number(TIFF_TAG.width), number(TIFF_TAG.height)];
    return width && height && !(kind & 4) ? [{ ...found, width, height, isReduced: (kind & 1) === 1 }] : [];
  });
}

/**
 * The first picture that is no reduced copy, pictures below the first page before those after it; the largest if all
 * are reduced. Undefined if there is none.
 */
export function choosePage(pages: TiffPage[]): TiffPage | undefined {
  const whole = pages.filter(({ isReduced }) => !isReduced);
  const first = whole[0] ?? largest(pages);
  if (!first || Math.max(first.width, first.height) > THUMBNAIL_SIDE) return first;
  return largest(whole.filter((page) => page.width >= 2 * first.width && hasShapeOf(first, page))) ?? first;
}

function largest(pages: TiffPage[]): TiffPage | undefined {
  return pages.reduce<TiffPage | undefined>(
    (most, page) => (most && most.width * most.height >= page.width * page.height ? most : page),
    undefined,
  );
}

/** The same ratio of sides, but for the rounding of the smaller one to whole pixels. */
function hasShapeOf(small: TiffPage, page: TiffPage): boolean {
  const factor = page.width / small.width;
  return Math.abs(page.height / factor - small.height) <= 1;
}
