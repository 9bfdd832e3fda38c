import { type Band, type Bands, scaleOf, sumsOfRow } from '../images/bands.ts';
import { toSample, unitOf } from '../images/bit-depth.ts';
import type { Pixels } from '../images/image.ts';
import { opacities } from './coarse-blocks.ts';

/** Added to the variances by the reference, in levels. */
const VARIANCE_FLOOR = 1e-5 * 255 ** 2;

/** In levels. */
interface Moments {
  mean: number;
  deviation: number;
}

/**
 * (Picture − its mean) · deviation of the photo / its own + mean of the photo: both of means of the samples that belong
 * to a pixel of the photo, by opacity.
 */
export async function* matchMoments(
  photo: Pixels,
  bands: Bands,
  passes: number,
  alpha: Pixels | undefined,
): AsyncGenerator<Band> {
  const held: Band[] = [];
  for await (const band of bands) held.push(band);
  for (let pass = 0; pass < passes; pass++) {
    const moments = Array.from({ length: photo.channels }, () => ({ photo: gather(), picture: gather() }));
    for (const band of held) addMoments(moments, photo, band, alpha);
    const changes = moments.map((of) => ({ from: of.picture.end(), to: of.photo.end() }));
    for (const band of held) applyMoments(band, changes);
  }
  yield* held;
}

type Gathered = ReturnType<typeof gather>;

function addMoments(
  moments: readonly { photo: Gathered; picture: Gathered }[],
  photo: Pixels,
  band: Band,
  alpha: Pixels | undefined,
): void {
  const { channels, data } = photo;
  const unit = unitOf(data);
  const line = photo.width * channels;
  const samples = scaleOf(band, photo) ** 2;
  for (let y = band.start; y < band.start + band.count; y++) {
    const [sums, opacity] = [sumsOfRow(band, y, photo), opacities(alpha, y)];
    for (let index = 0; index < line; index++) {
      const weight = opacity ? opacity[Math.floor(index / channels)]! : 1;
      const of = moments[index % channels]!;
      of.photo.add(data[y * line + index]! / unit, weight);
      of.picture.add(sums[index]! / samples, weight);
    }
  }
}

function applyMoments({ data }: Band, changes: readonly { from: Moments; to: Moments }[]): void {
  const unit = unitOf(data);
  for (let index = 0; index < data.length; index++) {
    const { from, to } = changes[index % changes.length]!;
    const value = ((data[index]! / unit - from.mean) * to.deviation) / from.deviation + to.mean;
    data[index] = toSample(value * unit, 255 * unit);
  }
}

function gather() {
  let [total, sum, squares] = [0, 0, 0];
  return {
    add(value: number, weight: number): void {
      total += weight;
      sum += weight * value;
      squares += weight * value * value;
    },
    end(): Moments {
      const mean = total > 0 ? sum / total : 0;
      const variance = total > 0 ? Math.max(0, squares / total - mean ** 2) : 0;
      return { mean, deviation: Math.sqrt(variance + VARIANCE_FLOOR) };
    },
  };
}
