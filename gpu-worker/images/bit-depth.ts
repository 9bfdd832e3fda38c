import type { BitDepth } from '../../shared/output-format.ts';
import type { Pixels } from './image.ts';

type Samples = Pixels['data'];

/** White in 16 bits is white in 8 bits, times this. */
const DEEP_UNIT = 257;

export function bitDepthOf(samples: Samples): BitDepth {
  return samples instanceof Uint16Array ? 16 : 8;
}

/** One level of 0..255 in the units of these samples. */
export function unitOf(samples: Samples): number {
  return samples instanceof Uint16Array ? DEEP_UNIT : 1;
}

/** The samples themselves where they have as many bits already; else a copy, rounded to the nearest level. */
export function inBits(samples: Samples, bitDepth: 8): Uint8Array;
export function inBits(samples: Samples, bitDepth: BitDepth): Samples;
export function inBits(samples: Samples, bitDepth: BitDepth): Samples {
  if (bitDepthOf(samples) === bitDepth) return samples;
  if (bitDepth === 8) return Uint8Array.from(samples, (value) => Math.round(value / DEEP_UNIT));
  return Uint16Array.from(samples, (value) => value * DEEP_UNIT);
}

/** A value as a sample: clamped to 0..`white`; halves are rounded up where a whole number is stored. */
export function toSample(value: number, white: number): number {
  return value < 0 ? 0 : value > white - 0.5 ? white : value + 0.5;
}
