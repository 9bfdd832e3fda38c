import { MODEL_SCALE } from '../../shared/methods/tile-plan.ts';
import type { BitDepth } from '../../shared/output-format.ts';
import { inBits, toSample, unitOf } from './bit-depth.ts';
import { growCubic } from './cubic-grow.ts';
import type { Pixels } from './image.ts';
import { createRowResampler } from './row-resampler.ts';

/** The visible color alone decides from this opacity on; the made-up one has its share below. */
const TRUSTED_OPACITY = 0.25;
/** Rows beside others that the cubic filter reaches, and one more. */
const REACH = 3;

interface Options {
  /** Of the photo, upright. */
  photo: Pixels;
  /** Of the photo. */
  alpha?: Pixels | undefined;
  /** How many times as large as the photo the picture is. */
  scale?: number;
  /** Exact size of the result. */
  width: number;
  height: number;
  bitDepth: BitDepth;
}

/**
 * Gathers a picture `scale` times as large as its photo in the size that is asked for: by Lanczos 3, with colors weighed by
 * their opacity, so that none that cannot be seen reaches those that can; where hardly anything is seen, they are
 * resampled as they are. Holds the result, and some rows.
 */
export function gatherResult({ photo, alpha, scale = MODEL_SCALE, width, height, bitDepth }: Options) {
  const { channels } = photo;
  const [from, to] = [
    { width: photo.width * scale, height: photo.height * scale },
    { width, height },
  ];
  const length = width * height * channels;
  const pixels: Pixels = { ...to, channels, data: bitDepth === 16 ? new Uint16Array(length) : new Uint8Array(length) };
  const white = 2 ** bitDepth - 1;
  const isSame = from.width === width && from.height === height;
  const lanes = alpha ? 2 * channels + 1 : channels;
  let rows = 0;
  const resampler = createRowResampler(from, to, lanes, (row, y) => {
    if (alpha) mergeRow(row, channels);
    const start = y * width * channels;
    for (let x = 0, index = start; x < width; x++) {
      for (let channel = 0; channel < channels; channel++, index++) {
        pixels.data[index] = toSample(row[x * lanes + channel]! * white, white);
      }
    }
    rows = y + 1;
  });

  return {
    pixels,
    /** So many of its upper rows are complete. */
    rows: () => rows,
    /** The next rows: those that belong to `count` rows of the photo from `start` on. */
    add({ start, count, data }: { start: number; count: number; data: Pixels['data'] }): void {
      const line = from.width * channels;
      if (isSame) {
        pixels.data.set(inBits(data, bitDepth), start * scale * line);
        rows = (start + count) * scale;
        return;
      }
      const own = 1 / (255 * unitOf(data));
      const opacities = alpha && enlargeRows(alpha, start, count, scale);
      for (let at = 0; at < data.length; at += line) {
        const samples = data.subarray(at, at + line);
        const below = opacities?.subarray(at / channels, (at + line) / channels);
        resampler.push(below ? splitRow(samples, below, channels, own) : scaleRow(samples, own));
      }
    },
  };
}

function enlargeRows({ width, height, data }: Pixels, start: number, count: number, scale: number): Pixels['data'] {
  const from = Math.max(0, start - REACH);
  const end = Math.min(height, start + count + REACH);
  const grown = growCubic(data.subarray(from * width, end * width), { width, height: end - from, channels: 1 }, scale);
  const row = scale ** 2 * width;
  return grown.subarray((start - from) * row, (start - from + count) * row);
}

function scaleRow(samples: Pixels['data'], unit: number): Float32Array {
  const row = new Float32Array(samples.length);
  for (let index = 0; index < row.length; index++) row[index] = samples[index]! * unit;
  return row;
}

/** For each pixel its colors, colors · opacity, and opacity, 0..1. */
function splitRow(samples: Pixels['data'], opacities: Pixels['data'], channels: number, unit: number): Float32Array {
  const row = new Float32Array(opacities.length * (2 * channels + 1));
  const whole = 255 * unitOf(opacities);
  for (let pixel = 0, source = 0, target = 0; pixel < opacities.length; pixel++) {
    const opacity = opacities[pixel]! / whole;
    for (let channel = 0; channel < channels; channel++, source++, target++) {
      row[target] = samples[source]! * unit;
      row[target + channels] = row[target]! * opacity;
    }
    target += channels;
    row[target++] = opacity;
  }
  return row;
}

/** The colors of such pixels, in their first lanes. Beside an edge a filter can make opacity negative: nothing is seen. */
function mergeRow(row: Float32Array, channels: number): void {
  for (let at = 0; at < row.length; at += 2 * channels + 1) {
    const opacity = row[at + 2 * channels]!;
    if (opacity <= 0) continue;
    const share = Math.min(1, opacity / TRUSTED_OPACITY);
    for (let channel = at; channel < at + channels; channel++) {
      const weighted = row[channel + channels]!;
      row[channel] = share < 1 ? weighted / TRUSTED_OPACITY + (1 - share) * row[channel]! : weighted / opacity;
    }
  }
}
