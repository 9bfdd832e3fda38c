import type { BitDepth } from '../../shared/output-format.ts';
import { type Band, type Bands, bandRows, scaleOf } from '../images/bands.ts';
import { bitDepthOf } from '../images/bit-depth.ts';
import { enlargeRows } from '../images/enlarge.ts';
import type { Pixels } from '../images/image.ts';
import { strips } from '../images/strips.ts';

/** Moves a picture towards its photo enlarged without anything invented: (1 − share) · picture + share · enlarged. */
export async function* blendFaithful(photo: Pixels, bands: Bands, share: number): AsyncGenerator<Band> {
  for await (const band of bands) {
    const { start, count, data } = band;
    const { enlarged } = enlargeRows(photo, start, count, bitDepthOf(data), scaleOf(band, photo));
    for (let index = 0; index < enlarged.length; index++) {
      const own = data[index]!;
      data[index] = Math.round(own + share * (enlarged[index]! - own));
    }
    yield band;
  }
}

/** The photo enlarged without anything invented, and nothing else. */
export async function* enlargeFaithfully(
  photo: Pixels,
  { scale, bitDepth, signal }: { scale: number; bitDepth: BitDepth; signal: AbortSignal },
): AsyncGenerator<Band> {
  for await (const { start, count } of strips(photo.height, bandRows(photo), signal)) {
    yield { start, count, data: enlargeRows(photo, start, count, bitDepth, scale).enlarged };
  }
}
