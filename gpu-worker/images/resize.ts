import sharp from 'sharp';
import type { BitDepth } from '../../shared/output-format.ts';
import { bitDepthOf } from './bit-depth.ts';
import type { Pixels } from './image.ts';

/** The name of libvips for samples of this kind, so that it converts nothing. */
export function spaceOf({ channels, bitDepth }: { channels: 1 | 2 | 3 | 4; bitDepth: BitDepth }) {
  if (bitDepth === 16) return channels < 3 ? 'grey16' : 'rgb16';
  return channels < 3 ? 'b-w' : 'srgb';
}

/**
 * Samples in another size, clamped. `lanczos3` for colors. `cubic` (Catmull-Rom) for alpha: it has no second lobe, which
 * would draw a faint ring around every hard edge.
 */
export async function resize(
  { data, ...raw }: Pixels,
  width: number,
  height: number,
  kernel: 'lanczos3' | 'cubic',
): Promise<Pixels['data']> {
  if (raw.width === width && raw.height === height) return data;
  const bitDepth = bitDepthOf(data);
  const resized = await sharp(data, { raw, limitInputPixels: false })
    .resize(width, height, { kernel, fit: 'fill' })
    .toColourspace(spaceOf({ ...raw, bitDepth }))
    .raw({ depth: bitDepth === 16 ? 'ushort' : 'uchar' })
    .toBuffer();
  return bitDepth === 16 ? new Uint16Array(resized.buffer, resized.byteOffset, resized.length / 2) : resized;
}
