import { MODEL_SCALE } from '../../shared/tile-plan.ts';
import { growCubic } from './cubic-grow.ts';
import type { Pixels } from './image.ts';

/** Rows beside a strip that the cubic filter reaches, and one more. */
const REACH = 3;
/** After two the small picture differs from the photo by less than rounding does. */
const CORRECTIONS = 2;
const MARGIN = REACH * (CORRECTIONS + 1);
const SAMPLES = MODEL_SCALE ** 2;

/**
 * Some rows of the photo in 8 bits, as they are and four times larger without anything invented: by a cubic filter
 * (Catmull-Rom), corrected until its means of 4 × 4 are the photo again (back-projection, Irani & Peleg 1991). A filter
 * alone blurs; networks that sharpen would then be truer to the photo than what is called faithful.
 * A strip equals the same rows of the whole picture.
 */
export function enlargeRows(photo: Pixels, start: number, count: number): { rows: Uint8Array; enlarged: Uint8Array } {
  const { width, height, channels } = photo;
  const from = Math.max(0, start - MARGIN);
  const stripHeight = Math.min(height, start + count + MARGIN) - from;
  const strip = rowsOf(photo, from, stripHeight);
  const size = { width, height: stripHeight, channels };
  let sharpened = strip;
  let grown = growCubic(sharpened, size);
  for (let pass = 0; pass < CORRECTIONS; pass++) {
    const small = shrink(grown, size);
    sharpened = sharpened.map((value, index) => clamp(value + strip[index]! - small[index]! / SAMPLES));
    grown = growCubic(sharpened, size);
  }
  const row = width * channels;
  const cut = (data: Uint8Array, samples: number) =>
    data.subarray((start - from) * row * samples, (start - from + count) * row * samples);
  return { rows: cut(strip, 1), enlarged: cut(grown, SAMPLES) };
}

type Size = Omit<Pixels, 'data'>;

/** Sums of 4 × 4 samples, 0..4080, of interleaved rows four times as large as `size`. */
export function shrink(grown: Pixels['data'], { width, height, channels }: Size): Uint16Array {
  const sums = new Uint16Array(width * height * channels);
  let source = 0;
  for (let line = 0; line < height * MODEL_SCALE; line++) {
    const row = Math.floor(line / MODEL_SCALE) * width * channels;
    for (let x = 0; x < width; x++) {
      for (let sample = 0; sample < MODEL_SCALE; sample++) {
        for (let channel = 0; channel < channels; channel++) sums[row + x * channels + channel]! += grown[source++]!;
      }
    }
  }
  return sums;
}

function rowsOf({ width, channels, data }: Pixels, start: number, count: number): Uint8Array {
  const row = width * channels;
  const rows = data.subarray(start * row, (start + count) * row);
  return rows instanceof Uint16Array ? Uint8Array.from(rows, (value) => Math.round(value / 257)) : rows;
}

function clamp(value: number): number {
  return Math.min(255, Math.max(0, Math.round(value)));
}
