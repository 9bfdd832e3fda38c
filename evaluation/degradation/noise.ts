import type { Plane } from '../plane.ts';
import type { Noise } from './draw.ts';
import type { Picture } from './jpeg.ts';
import type { Random } from './random.ts';

/** Adds noise to a picture and clamps it to 0..1. */
export function addNoise(picture: Picture, { kind, strength, grey }: Noise, random: Random): Picture {
  const source = grey ? [toGrey(picture)] : picture;
  const levels = kind === 'poisson' ? countLevels(source) : 0;
  const noises = source.map(({ data }) =>
    kind === 'gaussian'
      ? data.map(() => (random.normal() * strength) / 255)
      : data.map((value) => poissonNoise(value, levels, random) * strength),
  );
  const add = ({ data, ...size }: Plane, noise: Float64Array) => {
    return { ...size, data: data.map((value, index) => Math.min(1, Math.max(0, value + noise[index]!))) };
  };
  const [red, green, blue] = picture;
  return [add(red, noises[0]!), add(green, noises[1] ?? noises[0]!), add(blue, noises[2] ?? noises[0]!)];
}

/** Of so many photons at full brightness as there are levels; the picture counts in whole levels of 255. */
function poissonNoise(value: number, levels: number, random: Random): number {
  const whole = Math.round(Math.min(1, Math.max(0, value)) * 255) / 255;
  return random.poisson(whole * levels) / levels - whole;
}

/** How many of the 256 are used, up to a power of two. */
function countLevels(planes: readonly Plane[]): number {
  const used = new Set<number>();
  for (const { data } of planes) for (const value of data) used.add(Math.round(Math.min(1, Math.max(0, value)) * 255));
  return 2 ** Math.ceil(Math.log2(used.size));
}

function toGrey([red, green, blue]: Picture): Plane {
  const data = red.data.map((value, i) => 0.2989 * value + 0.587 * green.data[i]! + 0.114 * blue.data[i]!);
  return { ...red, data };
}
