import sharp from 'sharp';
import type { Pixels } from './image.ts';

/** Longest side, in pixels. */
export const LIVE_PREVIEW_SIDE = 512;
const QUALITY = 80;

/** Writes a JPEG, no larger than a live preview may be. The color profile is left out: it is a glance, not the result. */
export async function writeLivePreview(
  path: string,
  { data, width, height, channels }: Pixels,
): Promise<{ width: number; height: number }> {
  const written = await sharp(data, { raw: { width, height, channels } })
    .resize(LIVE_PREVIEW_SIDE, LIVE_PREVIEW_SIDE, { fit: 'inside', withoutEnlargement: true })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .jpeg({ quality: QUALITY })
    .toFile(path);
  return { width: written.width, height: written.height };
}
