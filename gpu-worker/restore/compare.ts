import { type Band, scaleOf, sumsOfRow } from '../images/bands.ts';
import { unitOf } from '../images/bit-depth.ts';
import { enlargeRows } from '../images/enlarge.ts';
import type { Pixels } from '../images/image.ts';
import { type CoarseComparison, createBlocks, opacities } from './coarse-blocks.ts';

/** The differences of a result from its photo. All values in levels of 0..255; each pixel counts by its opacity. */
export interface Comparison {
  /** Of the result made small again (means of as many samples as belong to a pixel) against the photo: mean square error, mean color distance. */
  meanSquareError: number;
  deltaE: number;
  /** Root mean square of result minus faithful enlargement: detail that was added, or taken away, beyond the photo. */
  addedDetail: number;
  coarse: CoarseComparison;
  /** Added detail by place: root mean squares of cells of `cell` × `cell` photo pixels, in rows. */
  map: { width: number; height: number; cell: number; values: Float32Array };
}

/** Longest side of the map, in cells. */
const MAX_MAP_SIDE = 512;
/** Of sRGB (IEC 61966-2-1), for every sum of so many samples. */
const linearOf = new Map<number, Float64Array>();
const LAB = { photo: new Float64Array(3), result: new Float64Array(3) };

/** Compares a picture with its photo, band by band. `alpha`: of the photo, 8 bits. */
export function compareWithPhoto(photo: Pixels, alpha: Pixels | undefined) {
  const { width, height, channels } = photo;
  const cell = Math.ceil(Math.max(width, height) / MAX_MAP_SIDE);
  const [mapWidth, mapHeight] = [Math.ceil(width / cell), Math.ceil(height / cell)];
  const squares = new Float64Array(mapWidth * mapHeight);
  const weights = new Float64Array(mapWidth * mapHeight);
  const totals = { weight: 0, error: 0, deltaE: 0, detail: 0 };
  const blocks = createBlocks(photo);
  const mean = (sum: number, weight: number) => (weight > 0 ? sum / weight : 0);
  let samples = 1;
  const rootMean = (sum: number, weight: number) => Math.sqrt(mean(sum, weight * samples * channels));
  return {
    add(band: Band): void {
      const scale = scaleOf(band, photo);
      samples = scale ** 2;
      const { rows, enlarged } = enlargeRows(photo, band.start, band.count, 8, scale);
      for (let row = 0; row < band.count; row++) {
        const y = band.start + row;
        const seen = rows.subarray(row * width * channels, (row + 1) * width * channels);
        const sums = sumsOfRow(band, y, photo);
        const detail = detailRow(band, enlarged, row, photo, scale);
        const opacity = opacities(alpha, y);
        for (let x = 0; x < width; x++) {
          const weight = opacity ? opacity[x]! / 255 : 1;
          if (weight === 0) continue;
          const place = Math.floor(y / cell) * mapWidth + Math.floor(x / cell);
          squares[place]! += weight * detail[x]!;
          weights[place]! += weight;
          totals.weight += weight;
          totals.detail += weight * detail[x]!;
          totals.deltaE += weight * deltaE(seen, sums, x * channels, channels, samples);
          for (let index = x * channels; index < (x + 1) * channels; index++) {
            totals.error += weight * (sums[index]! / samples - seen[index]!) ** 2;
          }
        }
        blocks.add(seen, { sums, samples }, opacity);
      }
    },
    end: (): Comparison => ({
      meanSquareError: mean(totals.error, totals.weight * channels),
      deltaE: mean(totals.deltaE, totals.weight),
      addedDetail: rootMean(totals.detail, totals.weight),
      coarse: blocks.end(),
      map: {
        width: mapWidth,
        height: mapHeight,
        cell,
        values: Float32Array.from(squares, (sum, index) => rootMean(sum, weights[index]!)),
      },
    }),
  };
}

/** Sums of squared differences from the faithful enlargement, one a photo pixel. `row`: of the band. */
function detailRow(
  { data }: Band,
  enlarged: Uint8Array,
  row: number,
  { width, channels }: Omit<Pixels, 'data'>,
  scale: number,
): Float64Array {
  const sums = new Float64Array(width);
  const rowLength = width * scale * channels;
  const unit = 1 / unitOf(data);
  let place = row * scale * rowLength;
  for (let line = 0; line < scale; line++) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let sample = 0; sample < scale * channels; sample++, place++) {
        const difference = data[place]! * unit - enlarged[place]!;
        sum += difference * difference;
      }
      sums[x]! += sum;
    }
  }
  return sums;
}

/**
 * Distance of two colors in CIELAB, D65 (CIE 1976 ΔE*ab; 2.3 is just noticeable), at `index` of interleaved samples.
 * `photo`: 0..255; `result`: sums of `samples` such values. Values are taken for sRGB, for any profile of the photo.
 */
function deltaE(photo: Uint8Array, result: Uint16Array, index: number, channels: number, samples: number): number {
  const linear = linearOf.get(samples) ?? makeLinear(samples);
  const [second, third] = channels === 3 ? [index + 1, index + 2] : [index, index];
  toLab(linear, photo[index]! * samples, photo[second]! * samples, photo[third]! * samples, LAB.photo);
  toLab(linear, result[index]!, result[second]!, result[third]!, LAB.result);
  let squares = 0;
  for (let axis = 0; axis < 3; axis++) squares += (LAB.photo[axis]! - LAB.result[axis]!) ** 2;
  return Math.sqrt(squares);
}

function makeLinear(samples: number): Float64Array {
  const linear = Float64Array.from({ length: 255 * samples + 1 }, (_, sum) => {
    const value = sum / (255 * samples);
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  linearOf.set(samples, linear);
  return linear;
}

function toLab(linear: Float64Array, red: number, green: number, blue: number, lab: Float64Array): void {
  const r = linear[red]!;
  const g = linear[green]!;
  const b = linear[blue]!;
  const x = curve((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
  const y = curve(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
  const z = curve((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
  lab[0] = 116 * y - 16;
  lab[1] = 500 * (x - y);
  lab[2] = 200 * (y - z);
}

/** CIE 15, 8.2.1. */
function curve(value: number): number {
  return value > 216 / 24389 ? Math.cbrt(value) : (value * 24389) / 27 / 116 + 16 / 116;
}
