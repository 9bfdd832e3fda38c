/** Purposes of random numbers; each is a stream of its own. The numbers are part of the result: never reuse. */
const PURPOSES = { start: 0, posterior: 1, step: 2, again: 3, augment: 4 } as const;

export interface NoiseKey {
  /** 0 .. 2⁵³ − 1. */
  seed: number;
  purpose: keyof typeof PURPOSES;
  /** Position of the sampling step; 0 where there is only one draw. */
  step?: number;
}

/**
 * `count` normal numbers, mean 0, variance 1, that depend on the key and on their position alone: not on earlier
 * numbers, their users, or the cut into tiles. Box–Muller on Philox4x32-10; |z| is at most 6.8. The integers are the
 * same everywhere; log, cos and sin are V8's own, so equal on all platforms for one version.
 */
export function keyedNormals({ seed, purpose, step = 0 }: NoiseKey, count: number): Float32Array {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32)] as const;
  const normals = new Float32Array(count);
  for (let block = 0; 4 * block < count; block++) {
    const [a, b, c, d] = philox([block, 0, step, PURPOSES[purpose]], key);
    normals.set([...boxMuller(a, b), ...boxMuller(c, d)].slice(0, count - 4 * block), 4 * block);
  }
  return normals;
}

/** Normal numbers by their purpose. The product keys them by the seed; comparisons bring their own. */
export type NoiseSource = (purpose: NoiseKey['purpose'], step: number, count: number) => Float32Array;

export function keyedNoise(seed: number): NoiseSource {
  return (purpose, step, count) => keyedNormals({ seed, purpose, step }, count);
}

type Words = readonly [number, number, number, number];

/** Constants and order of the words: Salmon et al. 2011, section 4.3, and its reference implementation Random123. */
const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57] as const;
const KEY_STEPS = [0x9e3779b9, 0xbb67ae85] as const;
const ROUNDS = 10;

/** Philox4x32-10: four random 32-bit words for every counter and key. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [a, b, c, d] = counter;
  let [left, right] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const lowA = Math.imul(MULTIPLIERS[0], a) >>> 0;
    const lowC = Math.imul(MULTIPLIERS[1], c) >>> 0;
    const highA = highProduct(MULTIPLIERS[0], a);
    const highC = highProduct(MULTIPLIERS[1], c);
    [a, b, c, d] = [(highC ^ b ^ left) >>> 0, lowC, (highA ^ d ^ right) >>> 0, lowA];
    left = (left + KEY_STEPS[0]) >>> 0;
    right = (right + KEY_STEPS[1]) >>> 0;
  }
  return [a, b, c, d];
}

/** Upper 32 bits of the product of two 32-bit numbers; every partial sum is exact in a double. */
function highProduct(x: number, y: number): number {
  const [xHigh, xLow, yHigh, yLow] = [x >>> 16, x & 0xffff, y >>> 16, y & 0xffff];
  const middle = xHigh * yLow + Math.floor((xLow * yLow) / 2 ** 16);
  const carry = Math.floor((xLow * yHigh + (middle % 2 ** 16)) / 2 ** 16);
  return xHigh * yHigh + Math.floor(middle / 2 ** 16) + carry;
}

/** Two independent normal numbers from two words. Half a unit is added: the logarithm of 0 is no number. */
function boxMuller(x: number, y: number): [number, number] {
  const radius = Math.sqrt(-2 * Math.log((x + 0.5) / 2 ** 32));
  const angle = (2 * Math.PI * (y + 0.5)) / 2 ** 32;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
