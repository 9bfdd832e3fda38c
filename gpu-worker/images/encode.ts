import { stat } from 'node:fs/promises';
import sharp, { type Sharp } from 'sharp';
import { DEEP_FORMATS } from '../../shared/output-format.ts';
import { overWhite, withAlpha } from './alpha.ts';
import { attachMetadata } from './attach/attach.ts';
import { bitDepthOf, inBits } from './bit-depth.ts';
import type { EncodeOptions, Metadata, Pixels } from './image.ts';
import { writableMetadata } from './metadata.ts';
import { resize, spaceOf } from './resize.ts';

/** From this quality on JPEG keeps colour at full resolution. */
const FULL_CHROMA_QUALITY = 90;

/**
 * Writes the picture at `path`; the same input gives the same bytes. It has as many bits of each color as `pixels`; 16
 * are for the `DEEP_FORMATS`. `alpha`: of any size and depth. Values are never converted: `metadata.icc` gives their
 * meaning. Resolves to the length of the file and to notes about the losses.
 */
export async function encodeImage(
  path: string,
  pixels: Pixels,
  alpha: Pixels | undefined,
  metadata: Metadata,
  options: EncodeOptions,
): Promise<{ bytes: number; notes: string[] }> {
  const notes: string[] = [];
  const { format } = options;
  const { width, height } = pixels;
  const bitDepth = bitDepthOf(pixels.data);
  if (bitDepth === 16 && !DEEP_FORMATS.includes(format)) throw new TypeError(`${format} holds no samples of 16 bits.`);
  let samples = pixels.data;
  let channels: 1 | 2 | 3 | 4 = pixels.channels;
  if (alpha) {
    const opacity = await resize({ ...alpha, data: inBits(alpha.data, bitDepth) }, width, height, 'cubic');
    if (format === 'jpeg') {
      samples = overWhite(samples, opacity, pixels.channels);
      notes.push('JPEG has no transparency; the photo was put on white.');
    } else {
      samples = withAlpha(samples, opacity, pixels.channels);
      channels = pixels.channels === 1 ? 2 : 4;
    }
  }
  const writable = writableMetadata(metadata, pixels, options, notes);
  // sharp's types do not know the limit here; its default refuses 16384 × 16384.
  const photo = sharp(samples, { raw: { width, height, channels }, limitInputPixels: false }).toColourspace(
    spaceOf({ channels, bitDepth }),
  );
  await withFormat(photo, options).toFile(path);
  await attachMetadata(path, format, writable);
  const { size } = await stat(path);
  return { bytes: size, notes };
}

/** Effort and compression level: the knee of time against size at 4096 × 3072 (PNG 0.7 s, WebP 1 s, AVIF 3 to 6 s). */
function withFormat(photo: Sharp, { format, quality }: EncodeOptions): Sharp {
  switch (format) {
    case 'png':
      return photo.png({ compressionLevel: 3, adaptiveFiltering: true });
    case 'jpeg':
      return photo.jpeg({ quality, chromaSubsampling: quality >= FULL_CHROMA_QUALITY ? '4:4:4' : '4:2:0' });
    case 'webp':
      return photo.webp({ quality, effort: 4 });
    case 'avif':
      return photo.avif({ quality, effort: 2 });
    case 'tiff':
      return photo.tiff({ compression: 'deflate', predictor: 'horizontal' });
  }
}
