import type { Pixels } from '../../gpu-worker/images/image.ts';
import { bicubic, resamplingTaps } from '../../gpu-worker/images/resampling.ts';
import { createPlane, type Plane } from '../plane.ts';

/**
 * A picture as three planes of `side` × `side`, 0..255, not rounded: bicubic and antialiased as Pillow does it with 32-bit floats, which
 * is the "clean" mode of FID (Parmar et al. 2022). The aspect ratio is not kept; grey becomes three equal planes.
 */
export function resizeForFid({ width, height, channels, data }: Pixels, side: number): [Plane, Plane, Plane] {
  const level = (index: number) => (data instanceof Uint16Array ? Math.round(data[index]! / 257) : data[index]!);
  const planes = Array.from({ length: channels }, (_, channel) => {
    const plane = createPlane(width, height);
    for (let pixel = 0; pixel < plane.data.length; pixel++) plane.data[pixel] = level(pixel * channels + channel);
    const small = resizeHeight(resizeWidth(plane, side), side);
    return { ...small, data: small.data.map((value) => Math.min(255, Math.max(0, value))) };
  });
  return [planes[0]!, planes[1] ?? planes[0]!, planes[2] ?? planes[0]!];
}

/** Sums in double, results in fp32. */
function resizeWidth(plane: Plane, width: number): Plane {
  if (plane.width === width) return plane;
  const taps = resamplingTaps(plane.width, width, bicubic, true);
  const result = createPlane(width, plane.height);
  for (let y = 0; y < plane.height; y++) {
    for (const [x, { start, weights }] of taps.entries()) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * plane.data[y * plane.width + start + tap]!;
      result.data[y * width + x] = Math.fround(sum);
    }
  }
  return result;
}

function resizeHeight(plane: Plane, height: number): Plane {
  if (plane.height === height) return plane;
  const { width } = plane;
  const result = createPlane(width, height);
  for (const [y, { start, weights }] of resamplingTaps(plane.height, height, bicubic, true).entries()) {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) sum += weights[tap]! * plane.data[(start + tap) * width + x]!;
      result.data[y * width + x] = Math.fround(sum);
    }
  }
  return result;
}
