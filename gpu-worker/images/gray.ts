import { unitOf } from './bit-depth.ts';
import type { Pixels } from './image.ts';

/** Shares of red, green and blue in luma (ITU-T T.871, JFIF): that of JPEG, so that its errors in chroma fall out. */
const [RED, GREEN, BLUE] = [0.299, 0.587, 0.114];
/** Cb and Cr are the differences of blue and red from luma, divided by these. */
const [BLUE_RANGE, RED_RANGE] = [1.772, 1.402];

/**
 * How many pixels of a gray photo that was stored as color may be how far from gray, in levels of chroma. Measured:
 * encoders of JPEG, WebP and AVIF leave up to 1 at every quality; errors of 2 levels in each color are up to 2. Of a
 * black-and-white photo that was JPEG twice 3 % are above 2, 0.05 % above 3, the most is 5.2. Of color photos at least
 * half of the pixels are above 3.
 */
const TOLERATED = [
  { chroma: 2, share: 0.05 },
  { chroma: 3, share: 0.001 },
  { chroma: 6, share: 0 },
];
/** Of the whole picture: one level is a tint that can just be seen (ΔE*ab up to 2.3), or chroma cut off, not rounded. */
const MOST_MEAN_CHROMA = 1.2;

/** Whether a picture in RGB shows only grays: one small stamp in color, or a tint as that of sepia, and it does not. */
export function isGray({ data, channels }: Pixels): boolean {
  if (channels === 1) return true;
  const unit = unitOf(data);
  const pixels = data.length / 3;
  const left = TOLERATED.map(({ chroma, share }) => ({ chroma, pixels: Math.floor(share * pixels) }));
  const sums = { blue: 0, red: 0 };
  for (let index = 0; index < data.length; index += 3) {
    const [red, blue] = [data[index]!, data[index + 2]!];
    const luma = lumaOf(red, data[index + 1]!, blue);
    const [cb, cr] = [(blue - luma) / (BLUE_RANGE * unit), (red - luma) / (RED_RANGE * unit)];
    const chroma = Math.max(Math.abs(cb), Math.abs(cr));
    for (const tier of left) if (chroma > tier.chroma && tier.pixels-- === 0) return false;
    sums.blue += cb;
    sums.red += cr;
  }
  return Math.max(Math.abs(sums.blue), Math.abs(sums.red)) <= MOST_MEAN_CHROMA * pixels;
}

/** One channel: the luma of RGB. */
export function toGray({ width, height, data }: Pixels): Pixels {
  const gray = data instanceof Uint16Array ? new Uint16Array(width * height) : new Uint8Array(width * height);
  for (let pixel = 0, index = 0; pixel < gray.length; pixel++, index += 3) {
    gray[pixel] = Math.round(lumaOf(data[index]!, data[index + 1]!, data[index + 2]!));
  }
  return { width, height, channels: 1, data: gray };
}

/** Three equal channels of one. */
export function toRgb({ width, height, data }: Pixels): Pixels {
  const rgb = data instanceof Uint16Array ? new Uint16Array(data.length * 3) : new Uint8Array(data.length * 3);
  for (let pixel = 0, index = 0; pixel < data.length; pixel++, index += 3) rgb.fill(data[pixel]!, index, index + 3);
  return { width, height, channels: 3, data: rgb };
}

function lumaOf(red: number, green: number, blue: number): number {
  return RED * red + GREEN * green + BLUE * blue;
}
