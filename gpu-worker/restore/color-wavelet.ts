import { type Band, type Bands, scaleOf, sumsOfRow } from '../images/bands.ts';
import { toSample, unitOf } from '../images/bit-depth.ts';
import { blur } from '../images/blur.ts';
import type { Pixels } from '../images/image.ts';
import { opacities } from './coarse-blocks.ts';

/**
 * Distances of the taps of the blurs, in photo pixels: those of the published five that are wider than a photo pixel,
 * where the picture is four times as large. Means of the samples that belong to a pixel take the place of the two finer
 * ones.
 */
const RADII = [1, 2, 4];
/** How far a correction depends on others: the blurs, and one pixel for the linear filter that enlarges it. */
const REACH = RADII.reduce((sum, radius) => sum + radius, 1);
/** Hidden pixels count a little, or there would be no color at all far from visible ones. */
const LEAST_WEIGHT = 0.001;

/** Picture + blurred (photo − picture), weighed by opacity. A band goes on when the rows below it are known. */
export async function* addCoarseDifference(photo: Pixels, bands: Bands, alpha?: Pixels): AsyncGenerator<Band> {
  const { height } = photo;
  /** Of the rows of the photo from `first` on. Those above the next band are differences to rows that have changed since. */
  const differences: Float32Array[] = [];
  let first = 0;
  const waiting: Band[] = [];
  for await (const given of bands) {
    for (let y = given.start; y < given.start + given.count; y++) {
      differences.push(weighedDifferences(photo, given, y, opacities(alpha, y)));
    }
    waiting.push(given);
    const known = first + differences.length;
    for (let band = waiting[0]; band && known >= Math.min(height, endOf(band) + REACH); band = waiting[0]) {
      const around = Array.from({ length: band.count + 2 * REACH }, (_, row) => {
        return differences[reflected(band!.start - REACH + row, height) - first]!;
      });
      correct(band, around, { channels: photo.channels, scale: scaleOf(band, photo), isWeighed: alpha !== undefined });
      const done = Math.max(0, endOf(band) - REACH - first);
      differences.splice(0, done);
      first += done;
      waiting.shift();
      yield band;
    }
  }
}

const endOf = ({ start, count }: Band) => start + count;

/**
 * Photo − picture (means of the samples that belong to a pixel) along a row of the photo, in levels · weight, one
 * channel after the other; then the weights, where there is alpha. Each between its mirror images, so that no blur
 * changes its mean.
 */
function weighedDifferences(photo: Pixels, band: Band, y: number, opacity: Pixels['data'] | undefined): Float32Array {
  const { width, channels, data } = photo;
  const unit = unitOf(data);
  const sums = sumsOfRow(band, y, photo);
  const samples = scaleOf(band, photo) ** 2;
  const line = width + 2 * REACH;
  const row = new Float32Array(line * (channels + (opacity ? 1 : 0)));
  for (let x = 0; x < width; x++) {
    const weight = opacity ? Math.max(LEAST_WEIGHT, opacity[x]! / 255) : 1;
    for (let channel = 0, index = x * channels; channel < channels; channel++, index++) {
      const difference = data[y * width * channels + index]! / unit - sums[index]! / samples;
      row[channel * line + REACH + x] = weight * difference;
    }
    if (opacity) row[channels * line + REACH + x] = weight;
  }
  for (let start = 0; start < row.length; start += line) {
    for (let x = 0; x < REACH; x++) {
      row[start + x] = row[start + REACH + reflected(x - REACH, width)]!;
      row[start + REACH + width + x] = row[start + REACH + reflected(width + x, width)]!;
    }
  }
  return row;
}

/** A position in a row that goes on as its mirror image, the border itself repeated. */
function reflected(position: number, size: number): number {
  const place = ((position % (2 * size)) + 2 * size) % (2 * size);
  return Math.min(place, 2 * size - 1 - place);
}

/** `around`: differences of the rows of the band, and of `REACH` above and below it. */
function correct(
  band: Band,
  around: readonly Float32Array[],
  { channels, scale, isWeighed }: { channels: number; scale: number; isWeighed: boolean },
): void {
  const planes = channels + (isWeighed ? 1 : 0);
  const line = around[0]!.length / planes;
  const scratch = new Float32Array(around.length * line);
  const blurred = Array.from({ length: planes }, (_, plane) => {
    const values = new Float32Array(around.length * line);
    for (const [row, of] of around.entries()) values.set(of.subarray(plane * line, (plane + 1) * line), row * line);
    for (const radius of RADII) blur(values, line, radius, scratch);
    return values;
  });
  const weights = blurred[channels];
  for (const [channel, correction] of blurred.slice(0, channels).entries()) {
    for (let index = 0; weights && index < weights.length; index++) correction[index]! /= weights[index]!;
    for (let row = 0; row < band.count; row++) addRow(correction, line, row, band, { channel, channels, scale });
  }
}

/** Of the samples along a photo pixel: on which side the next photo pixel lies, and how much it counts. */
function samplesBetween(scale: number): { side: -1 | 1; share: number }[] {
  return Array.from({ length: scale }, (_, index) => {
    const position = (2 * index + 1 - scale) / (2 * scale);
    return { side: position < 0 ? -1 : 1, share: Math.abs(position) };
  });
}

/** Adds corrections of one row of the band, enlarged by a linear filter, to its rows of samples. */
function addRow(
  correction: Float32Array,
  line: number,
  row: number,
  { data }: Band,
  { channel, channels, scale }: { channel: number; channels: number; scale: number },
): void {
  const samples = samplesBetween(scale);
  const unit = unitOf(data);
  const white = 255 * unit;
  const between = new Float32Array(line);
  for (const [index, vertical] of samples.entries()) {
    const [here, next] = [(row + REACH) * line, (row + REACH + vertical.side) * line];
    for (let x = 0; x < line; x++) {
      between[x] = (correction[here + x]! + vertical.share * (correction[next + x]! - correction[here + x]!)) * unit;
    }
    let at = (row * scale + index) * (line - 2 * REACH) * scale * channels + channel;
    for (let x = REACH; x < line - REACH; x++, at += scale * channels) {
      const own = between[x]!;
      const [before, after] = [between[x - 1]! - own, between[x + 1]! - own];
      // Less than half a step changes nothing.
      if (Math.abs(own) + Math.max(Math.abs(before), Math.abs(after)) < 0.5) continue;
      for (let sample = 0; sample < scale; sample++) {
        const { side, share } = samples[sample]!;
        const place = at + sample * channels;
        data[place] = toSample(data[place]! + own + share * (side < 0 ? before : after), white);
      }
    }
  }
}
