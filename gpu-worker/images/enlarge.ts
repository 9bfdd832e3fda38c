import sharp from 'sharp';
import { MODEL_SCALE } from '../../shared/tile-plan.ts';
import type { Pixels } from './image.ts';

/** Rows beside a strip that its cubic filter reaches, and one more. */
const MARGIN = 3;

/**
 * Some rows of the photo in 8 bits, as they are and four times larger by a cubic filter (Catmull-Rom) alone: the
 * faithful picture, with which nothing is invented. A strip equals the same rows of the whole picture.
 */
export async function enlargeRows(
  photo: Pixels,
  start: number,
  count: number,
): Promise<{ rows: Uint8Array; enlarged: Uint8Array }> {
  const { width, height, channels } = photo;
  const from = Math.max(0, start - MARGIN);
  const strip = rowsOf(photo, from, Math.min(height, start + count + MARGIN) - from);
  const stripHeight = strip.length / (width * channels);
  const grown = await sharp(strip, { raw: { width, height: stripHeight, channels }, limitInputPixels: false })
    .resize(width * MODEL_SCALE, stripHeight * MODEL_SCALE, { kernel: 'cubic', fit: 'fill' })
    .toColourspace(channels === 1 ? 'b-w' : 'srgb')
    .raw()
    .toBuffer();
  const row = width * channels;
  const cut = (data: Uint8Array, scale: number) =>
    data.subarray((start - from) * row * scale ** 2, (start - from + count) * row * scale ** 2);
  return { rows: cut(strip, 1), enlarged: cut(grown, MODEL_SCALE) };
}

function rowsOf({ width, channels, data }: Pixels, start: number, count: number): Uint8Array {
  const row = width * channels;
  const rows = data.subarray(start * row, (start + count) * row);
  return rows instanceof Uint16Array ? Uint8Array.from(rows, (value) => Math.round(value / 257)) : rows;
}
