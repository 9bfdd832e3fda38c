import { type Band, scaleOf, sumsOfRow } from '../images/bands.ts';
import { inBits } from '../images/bit-depth.ts';
import type { Pixels } from '../images/image.ts';

/** Two pictures in means of 8 × 8 photo pixels, which noise hardly moves: levels of 0..255, weighed by opacity. */
export interface CoarseComparison {
  meanSquareError: number;
  photoVariance: number;
  resultVariance: number;
}

const BLOCK = 8;

/** A picture beside its photo, band by band. `alpha`: of the photo, 8 bits. */
export function compareCoarsely(photo: Pixels, alpha: Pixels | undefined) {
  const line = photo.width * photo.channels;
  const blocks = createBlocks(photo);
  return {
    add(band: Band): void {
      const seen = inBits(photo.data.subarray(band.start * line, (band.start + band.count) * line), 8);
      for (let row = 0; row < band.count; row++) {
        const y = band.start + row;
        const sums = { sums: sumsOfRow(band, y, photo), samples: scaleOf(band, photo) ** 2 };
        blocks.add(seen.subarray(row * line, (row + 1) * line), sums, opacities(alpha, y));
      }
    },
    end: blocks.end,
  };
}

/** Of a row of the photo, 0..255; undefined where all of it is opaque. */
export function opacities(alpha: Pixels | undefined, row: number): Pixels['data'] | undefined {
  return alpha?.data.subarray(row * alpha.width, (row + 1) * alpha.width);
}

/** Gathers means of blocks of both pictures, row by row; blocks at the right and lower border may be smaller. */
export function createBlocks({ width, height, channels }: Omit<Pixels, 'data'>) {
  const columns = Math.ceil(width / BLOCK);
  const sums = { photo: new Float64Array(columns * channels), result: new Float64Array(columns * channels) };
  const weights = new Float64Array(columns);
  const moments = Array.from({ length: channels }, () => ({ p: 0, pp: 0, r: 0, rr: 0, error: 0 }));
  let rows = 0;
  let total = 0;

  function endRow() {
    for (const [column, weight] of weights.entries()) {
      if (weight === 0) continue;
      total += weight;
      for (const [channel, moment] of moments.entries()) {
        const index = column * channels + channel;
        const [p, r] = [sums.photo[index]! / weight, sums.result[index]! / weight];
        moment.p += weight * p;
        moment.pp += weight * p * p;
        moment.r += weight * r;
        moment.rr += weight * r * r;
        moment.error += weight * (p - r) ** 2;
      }
    }
    for (const gathered of [weights, sums.photo, sums.result]) gathered.fill(0);
  }

  return {
    /** A row of the photo, the sums of the result that belong to it, each of `samples`, and how opaque each pixel is. */
    add(
      photo: Uint8Array,
      { sums: result, samples }: { sums: Uint16Array; samples: number },
      opacity: Pixels['data'] | undefined,
    ): void {
      for (let x = 0; x < width; x++) {
        const column = Math.floor(x / BLOCK);
        const weight = opacity ? opacity[x]! / 255 : 1;
        weights[column]! += weight;
        for (let channel = 0; channel < channels; channel++) {
          sums.photo[column * channels + channel]! += weight * photo[x * channels + channel]!;
          sums.result[column * channels + channel]! += (weight * result[x * channels + channel]!) / samples;
        }
      }
      if (++rows % BLOCK === 0 || rows === height) endRow();
    },
    /** Means over the channels; zeros where nothing can be seen. */
    end(): CoarseComparison {
      const mean = (of: (moment: (typeof moments)[number]) => number) =>
        total > 0 ? moments.reduce((sum, moment) => sum + of(moment), 0) / channels : 0;
      return {
        meanSquareError: mean(({ error }) => error / total),
        photoVariance: mean(({ p, pp }) => Math.max(0, pp / total - (p / total) ** 2)),
        resultVariance: mean(({ r, rr }) => Math.max(0, rr / total - (r / total) ** 2)),
      };
    },
  };
}
