import { createHash } from 'node:crypto';
import { logGamma } from '../metrics/gamma.ts';

/** Draws numbers one after the other: the order of the calls is part of the result. */
export interface Random {
  /** 0 ≤ x < 1, in steps of 2⁻³². */
  uniform(): number;
  between(from: number, to: number): number;
  chance(probability: number): boolean;
  /** One of the keys, by their weights. */
  pick<Key extends string>(weights: Record<Key, number>): Key;
  normal(): number;
  poisson(mean: number): number;
}

/** xoshiro128** 1.1 (Blackman and Vigna), begun by the SHA-256 of seed and name: every picture has a stream of its own. */
export function createRandom(seed: number, name: string): Random {
  const digest = createHash('sha256').update(`${seed}/${name}`).digest();
  const state = Uint32Array.from({ length: 4 }, (_, index) => digest.readUInt32LE(4 * index));
  const rotate = (word: number, bits: number) => ((word << bits) | (word >>> (32 - bits))) >>> 0;

  function uniform(): number {
    const [a, b, c, d] = state as unknown as [number, number, number, number];
    const drawn = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const [newC, newD] = [c ^ a, d ^ b];
    state[0] = a ^ newD;
    state[1] = b ^ newC;
    state[2] = newC ^ (b << 9);
    state[3] = rotate(newD, 11);
    return drawn / 2 ** 32;
  }

  return {
    uniform,
    between: (from, to) => from + (to - from) * uniform(),
    chance: (probability) => uniform() < probability,
    pick<Key extends string>(weights: Record<Key, number>): Key {
      const entries = Object.entries(weights) as [Key, number][];
      let rest = uniform() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [key, weight] of entries) {
        rest -= weight;
        if (rest < 0) return key;
      }
      return entries.at(-1)![0];
    },
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    poisson: (mean) => (mean < 10 ? smallPoisson(mean, uniform) : largePoisson(mean, uniform)),
  };
}

/** Knuth's: as many draws as their product stays above e^−mean. */
function smallPoisson(mean: number, uniform: () => number): number {
  const bound = Math.exp(-mean);
  let count = 0;
  for (let product = uniform(); product > bound; product *= uniform()) count++;
  return count;
}

/** Transformed rejection with squeeze: PTRS of Hörmann 1993, for means from 10 on. */
function largePoisson(mean: number, uniform: () => number): number {
  const b = 0.931 + 2.53 * Math.sqrt(mean);
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const squeeze = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = uniform() - 0.5;
    const v = uniform();
    const distance = 0.5 - Math.abs(u);
    const count = Math.floor(((2 * a) / distance + b) * u + mean + 0.43);
    if (distance >= 0.07 && v <= squeeze) return count;
    if (count < 0 || (distance < 0.013 && v > distance)) continue;
    const left = Math.log((v * inverseAlpha) / (a / distance ** 2 + b));
    if (left <= count * Math.log(mean) - mean - logGamma(count + 1)) return count;
  }
}
