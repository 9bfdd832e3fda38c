import { describe, expect, it, test } from 'vitest';
import { keyedNormals, type NoiseKey, philox } from '../../../../gpu-worker/tensor/keyed-normals.ts';

describe('Philox4x32-10', () => {
  // Known answers of the reference implementation: Random123, tests/kat_vectors.
  it.each([
    {
      counter: [0, 0, 0, 0],
      key: [0, 0],
      words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    },
    {
      counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ] as const)('gives $words', ({ counter, key, words }) => {
    expect(philox(counter, key)).toEqual(words);
  });
});

describe('keyed normals', () => {
  const count = 200_000;
  const key = { seed: 231, purpose: 'start' } as const;
  const normals = keyedNormals(key, count);
  const mean = (values: Float32Array, power: number) => values.reduce((sum, value) => sum + value ** power, 0) / count;

  // Five standard errors of each moment of N(0, 1): √(E[z²ᵖ] − E[zᵖ]²) / √count. The draw is fixed: it cannot flicker.
  it.each([
    { power: 1, expected: 0, deviation: 1 },
    { power: 2, expected: 1, deviation: Math.sqrt(2) },
    { power: 3, expected: 0, deviation: Math.sqrt(15) },
    { power: 4, expected: 3, deviation: Math.sqrt(96) },
  ])('moment $power is that of the normal distribution', ({ power, expected, deviation }) => {
    expect(Math.abs(mean(normals, power) - expected)).toBeLessThan((5 * deviation) / Math.sqrt(count));
  });

  test('as many lie in each part of the line as should', () => {
    // Shares below −2, −1, 0, 1, 2 standard deviations, from tables of the normal distribution.
    const shares = [0.02275, 0.158655, 0.5, 0.841345, 0.97725];
    for (const [index, share] of shares.entries()) {
      const below = normals.reduce((sum, value) => sum + Number(value < index - 2), 0) / count;
      expect(Math.abs(below - share)).toBeLessThan((5 * Math.sqrt(share * (1 - share))) / Math.sqrt(count));
    }
  });

  it.each([1, 2, 3, 4, 64, 4096])('numbers %d apart are not related', (distance) => {
    expect(Math.abs(correlation(normals.subarray(distance), normals))).toBeLessThan(5 / Math.sqrt(count));
  });

  it.each<NoiseKey>([
    { ...key, seed: 232 },
    { ...key, seed: 231 + 2 ** 32 },
    { ...key, purpose: 'posterior' },
    { ...key, purpose: 'step' },
    { ...key, step: 1 },
  ])('another key, another stream: %o', (other) => {
    const others = keyedNormals(other, count);
    expect(Math.abs(correlation(others, normals))).toBeLessThan(5 / Math.sqrt(count));
    expect(others.filter((value, index) => value === normals[index]).length).toBeLessThan(10);
  });

  test('a number depends on its position, not on how many are drawn', () => {
    for (const fewer of [1, 2, 3, 5, 1023]) expect(keyedNormals(key, fewer)).toEqual(normals.slice(0, fewer));
  });

  test('never changes: results already delivered must be reproducible', () => {
    const draw = keyedNormals({ seed: 7, purpose: 'step', step: 3 }, 5);
    const expected = [0.5434778, -0.6319371, 0.5059739, 0.5355607, 0.3231259];
    for (const [index, value] of draw.entries()) expect(value).toBeCloseTo(expected[index]!, 6);
  });
});

/** Of two rows of numbers with mean 0 and variance 1, as long as the shorter one. */
function correlation(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + value * b[index]!, 0) / a.length;
}
