import sharp from 'sharp';
import { overWhite } from './alpha.ts';
import type { Pixels } from './image.ts';
import { resize } from './resize.ts';

/** Longest side, in pixels. */
export const LIVE_PREVIEW_SIDE = 512;
const QUALITY = 80;

/**
 * Writes a JPEG, no larger than a live preview may be; transparent parts are on white. The color profile is left
 * out: it is a glance, not the result. `alpha`: of the photo.
 */
export async function writeLivePreview(
  path: string,
  { data, width, height, channels }: Pixels,
  alpha?: Pixels,
): Promise<{ width: number; height: number }> {
  const opacity = alpha && (await resize(alpha, width, height, 'cubic'));
  const samples = opacity ? overWhite(data, opacity, channels) : data;
  const written = await sharp(samples, { raw: { width, height, channels } })
    .resize(LIVE_PREVIEW_SIDE, LIVE_PREVIEW_SIDE, { fit: 'inside', withoutEnlargement: true })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .jpeg({ quality: QUALITY })
    .toFile(path);
  return { width: written.width, height: written.height };
}
