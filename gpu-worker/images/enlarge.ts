import { MODEL_SCALE } from '../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../shared/output-format.ts';
import { inBits } from './bit-depth.ts';
import { growCubic } from './cubic-grow.ts';
import type { Pixels } from './image.ts';

/** Rows beside a strip that the cubic filter reaches, and one more. */
const REACH = 3;
/** After two the small picture differs from the photo by less than rounding does. */
const CORRECTIONS = 2;
const MARGIN = REACH * (CORRECTIONS + 1);

/**
 * Some rows of the photo in as many bits, as they are and `scale` times larger without anything invented: by a cubic
 * filter (Catmull-Rom), corrected until its means of scale × scale are the photo again (back-projection, Irani & Peleg
 * 1991). A filter alone blurs; networks that sharpen would then be truer to the photo than the faithful picture. A
 * strip equals the same rows of the whole picture.
 */
export function enlargeRows(photo: Pixels, start: number, count: number): EnlargedRows<Uint8Array>;
export function enlargeRows(
  photo: Pixels,
  start: number,
  count: number,
  bitDepth: 8,
  scale: number,
): EnlargedRows<Uint8Array>;
export function enlargeRows(
  photo: Pixels,
  start: number,
  count: number,
  bitDepth: BitDepth,
  scale?: number,
): EnlargedRows<Samples>;
export function enlargeRows(
  photo: Pixels,
  start: number,
  count: number,
  bitDepth: BitDepth = 8,
  scale = MODEL_SCALE,
): EnlargedRows<Samples> {
  const { width, height, channels } = photo;
  const most = 2 ** bitDepth - 1;
  const samples = scale ** 2;
  const from = Math.max(0, start - MARGIN);
  const stripHeight = Math.min(height, start + count + MARGIN) - from;
  const strip = rowsOf(photo, from, stripHeight, bitDepth);
  const size = { width, height: stripHeight, channels };
  let sharpened = strip;
  let grown = growCubic(sharpened, size, scale);
  for (let pass = 0; pass < CORRECTIONS; pass++) {
    const small = shrink(grown, size, scale);
    sharpened = sharpened.map((value, index) => clamp(value + strip[index]! - small[index]! / samples, most));
    grown = growCubic(sharpened, size, scale);
  }
  const row = width * channels;
  const cut = (data: Samples, each: number) =>
    data.subarray((start - from) * row * each, (start - from + count) * row * each);
  return { rows: cut(strip, 1), enlarged: cut(grown, samples) };
}

type Size = Omit<Pixels, 'data'>;
type Samples = Pixels['data'];

interface EnlargedRows<Kind extends Samples> {
  rows: Kind;
  enlarged: Kind;
}

/** Sums of scale × scale samples of interleaved rows `scale` times as large as `size`. */
export function shrink(
  grown: Samples,
  { width, height, channels }: Size,
  scale = MODEL_SCALE,
): Uint16Array | Uint32Array {
  const length = width * height * channels;
  const sums = grown instanceof Uint16Array ? new Uint32Array(length) : new Uint16Array(length);
  let source = 0;
  for (let line = 0; line < height * scale; line++) {
    const row = Math.floor(line / scale) * width * channels;
    for (let x = 0; x < width; x++) {
      for (let sample = 0; sample < scale; sample++) {
        for (let channel = 0; channel < channels; channel++) sums[row + x * channels + channel]! += grown[source++]!;
      }
    }
  }
  return sums;
}

function rowsOf({ width, channels, data }: Pixels, start: number, count: number, bitDepth: BitDepth): Samples {
  const row = width * channels;
  return inBits(data.subarray(start * row, (start + count) * row), bitDepth);
}

function clamp(value: number, most: number): number {
  return Math.min(most, Math.max(0, Math.round(value)));
}
