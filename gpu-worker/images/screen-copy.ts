import { inBits } from './bit-depth.ts';
import { encodeImage } from './encode.ts';
import type { DecodedImage } from './image.ts';
import { resize } from './resize.ts';

/** Longest side, in pixels: enough for a zoomed screen. */
const MOST_PIXELS = 4096;
const QUALITY = 90;

/** Writes a WebP of the picture, in its own colors, for viewers without TIFF or HEIC. Metadata is left out. */
export async function writeScreenCopy(
  path: string,
  { pixels, alpha, metadata: { icc } }: Pick<DecodedImage, 'pixels' | 'alpha' | 'metadata'>,
): Promise<{ width: number; height: number; bytes: number }> {
  const scale = Math.min(1, MOST_PIXELS / Math.max(pixels.width, pixels.height));
  const size = { width: sideOf(pixels.width * scale), height: sideOf(pixels.height * scale) };
  const { channels, data } = pixels;
  const smaller = await resize({ ...pixels, data: inBits(data, 8) }, size.width, size.height, 'lanczos3');
  const options = { format: 'webp', quality: QUALITY, metadata: 'strip' } as const;
  const { bytes } = await encodeImage(path, { ...size, channels, data: smaller }, alpha, icc ? { icc } : {}, options);
  return { ...size, bytes };
}

const sideOf = (length: number) => Math.max(1, Math.round(length));
