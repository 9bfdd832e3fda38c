import type { SharpOptions } from 'sharp';
import type { ImageHeader } from '../../shared/image-format.ts';
import { CHUNK, pngChunks } from '../../shared/png-header.ts';
import { readTiffPhoto } from '../../shared/tiff-header.ts';

/** The choice of one of several pictures in a file, and the note about the others. */

const AVIF_SEQUENCE = 'avis';

/** The bytes as libvips takes them, and the options that open the photo in them. */
export function openPhoto(bytes: Uint8Array, { format }: ImageHeader): { bytes: Uint8Array; options: SharpOptions } {
  if (format === 'tiff') {
    const { page, subDirectory } = readTiffPhoto(bytes);
    return { bytes, options: { page, ...(subDirectory !== undefined && { tiff: { subifd: subDirectory } }) } };
  }
  if (format === 'avif' && isAvifSequence(bytes)) {
    // libvips takes it for no picture at all, though libheif reads the still one that all of them have.
    const still = Buffer.from(bytes);
    still.write('avif', 8, 'latin1');
    return { bytes: still, options: {} };
  }
  return { bytes, options: {} };
}

/**
 * A sentence about the pictures that were not taken; undefined if there are none. `pages`: how many libvips has found.
 */
export function otherPictures(bytes: Uint8Array, { format }: ImageHeader, pages: number): string | undefined {
  if (format === 'tiff') return otherTiffPictures(bytes);
  if (format === 'avif' && isAvifSequence(bytes)) return 'The file is animated; its still picture was taken.';
  const frames = format === 'png' ? animatedPngFrames(bytes) : pages;
  return frames > 1 ? `The file holds ${frames} frames or pages; the first one was taken.` : undefined;
}

function otherTiffPictures(bytes: Uint8Array): string | undefined {
  const { page, subDirectory, pictures, width, height, isReduced } = readTiffPhoto(bytes);
  if (isReduced) return `The file holds reduced pictures only; the largest, of ${width}×${height}, was taken.`;
  if (page > 0 || subDirectory !== undefined) {
    return `The file begins with a smaller picture; the photo of ${width}×${height} behind it was taken.`;
  }
  return pictures > 1 ? `The file holds ${pictures} frames or pages; the first one was taken.` : undefined;
}

function isAvifSequence(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset + 8, 4).toString('latin1') === AVIF_SEQUENCE;
}

/** libvips reads the default image of an animated PNG and does not tell. acTL comes before the pixels. */
function animatedPngFrames(bytes: Uint8Array): number {
  for (const { name, body } of pngChunks(bytes)) {
    if (name === CHUNK.IDAT) break;
    if (name === CHUNK.acTL) return new DataView(bytes.buffer, bytes.byteOffset).getUint32(body);
  }
  return 1;
}
