/** Weights of one output position; they belong to the input positions from `start` on and add up to 1. */
export interface Taps {
  start: number;
  weights: readonly number[];
}

export interface Kernel {
  /** Weight at a distance from the center, in input positions; not normalized. */
  weight: (distance: number) => number;
  /** It is 0 from here on. */
  support: number;
}

/** Bilinear: weights fall linearly over one input position. */
export const triangle: Kernel = { weight: (distance) => Math.max(0, 1 - Math.abs(distance)), support: 1 };

/** Bicubic (Keys 1981) with a = −0.5. */
export const bicubic: Kernel = {
  weight(distance) {
    const x = Math.abs(distance);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
  },
  support: 2,
};

/** Lanczos with three lobes. */
export const lanczos: Kernel = {
  weight: (distance) => (Math.abs(distance) < 3 ? sinc(distance) * sinc(distance / 3) : 0),
  support: 3,
};

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/**
 * Taps of every output position along one axis, half a pixel in from each border, in Pillow's arithmetic. `antialias`
 * widens the kernel where the result is smaller than the input, so that every input position counts.
 */
export function resamplingTaps(from: number, to: number, kernel: Kernel, antialias: boolean): Taps[] {
  const scale = from / to;
  const widening = antialias ? Math.max(scale, 1) : 1;
  const support = kernel.support * widening;
  return Array.from({ length: to }, (_, position) => {
    const center = (position + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(from, Math.trunc(center + support + 0.5));
    const raw = Array.from({ length: end - start }, (_, index) =>
      kernel.weight((index + start - center + 0.5) * (1 / widening)),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { start, weights: raw.map((weight) => weight / sum) };
  });
}
