import { unitOf } from './bit-depth.ts';
import { shrink } from './enlarge.ts';
import type { Pixels } from './image.ts';
import { strips } from './strips.ts';

/**
 * Some rows of the picture that is so many times as large as its photo (`scaleOf`): those that belong to `count` rows of the photo from
 * `start` on, same channels. Such a picture is never whole: it goes from step to step in bands, from top to bottom.
 */
export interface Band {
  start: number;
  count: number;
  /** The receiver of the band may change them. */
  data: Pixels['data'];
}

export type Bands = AsyncIterable<Band>;

/** Rows of the photo in a band, or more where they are short: the borders of a band are work, too. */
const LEAST_ROWS = 64;
const LEAST_PIXELS = 2 ** 16;

export function bandRows({ width }: { width: number }): number {
  return Math.max(LEAST_ROWS, Math.floor(LEAST_PIXELS / width));
}

/** How many times as large as its photo the picture is. */
export function scaleOf({ count, data }: Band, { width, channels }: Omit<Pixels, 'data'>): number {
  return Math.sqrt(data.length / (count * width * channels));
}

/** Of a picture that is whole, a whole number of times as large as its photo. */
export async function* bandsOf(picture: Pixels, photo: Pixels, signal: AbortSignal): AsyncGenerator<Band> {
  const length = (picture.height / photo.height) * picture.width * picture.channels;
  for await (const { start, count } of strips(photo.height, bandRows(photo), signal)) {
    yield { start, count, data: picture.data.subarray(start * length, (start + count) * length) };
  }
}

/** Sums of the samples that belong to each pixel of a row of the photo (`scaleOf` squared), in levels of 0..255. */
export function sumsOfRow(band: Band, y: number, photo: Omit<Pixels, 'data'>): Uint16Array {
  const { start, data } = band;
  const { width, channels } = photo;
  const scale = scaleOf(band, photo);
  const length = scale ** 2 * width * channels;
  const rows = data.subarray((y - start) * length, (y - start + 1) * length);
  const sums = shrink(rows, { width, height: 1, channels }, scale);
  const unit = unitOf(data);
  return sums instanceof Uint16Array ? sums : Uint16Array.from(sums, (sum) => Math.round(sum / unit));
}
