import { unitOf } from './bit-depth.ts';
import type { Pixels } from './image.ts';

/** The colors of samples that were multiplied by alpha; black where nothing is seen. */
export function divideByAlpha(pixels: Pixels, alpha: Pixels): Pixels {
  const { channels } = pixels;
  const data = pixels.data.slice();
  const most = 255 * unitOf(data);
  const opaque = 255 * unitOf(alpha.data);
  for (let index = 0; index < data.length; index++) {
    const opacity = alpha.data[Math.floor(index / channels)]! / opaque;
    data[index] = opacity > 0 ? Math.min(most, Math.round(data[index]! / opacity)) : 0;
  }
  return { ...pixels, data };
}

/** Interleaved; both of one depth. */
export function withAlpha(samples: Pixels['data'], alpha: Pixels['data'], channels: 1 | 3): Pixels['data'] {
  const length = samples.length + alpha.length;
  const joined = samples instanceof Uint16Array ? new Uint16Array(length) : new Uint8Array(length);
  for (let pixel = 0, from = 0, to = 0; pixel < alpha.length; pixel++) {
    for (let c = 0; c < channels; c++) joined[to++] = samples[from++]!;
    joined[to++] = alpha[pixel]!;
  }
  return joined;
}

/** In the photo's own encoding, as browsers blend; 8 bits. */
export function overWhite(samples: Pixels['data'], alpha: Pixels['data'], channels: 1 | 3): Uint8Array {
  const joined = new Uint8Array(samples.length);
  for (let index = 0; index < joined.length; index++) {
    const opacity = alpha[Math.floor(index / channels)]!;
    joined[index] = Math.round((samples[index]! * opacity + 255 * (255 - opacity)) / 255);
  }
  return joined;
}
