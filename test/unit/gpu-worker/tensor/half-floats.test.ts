import { expect, test } from 'vitest';
import { bfloat16ToFloat, halfToFloat } from '../../../../gpu-worker/tensor/half-floats.ts';

/** Values from the tables of IEEE 754-2019 (binary16) and of the bfloat16 definition. */
test.each([
  [0x0000, 0],
  [0x8000, -0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x3555, 0.333251953125],
  [0x7bff, 65504],
  [0x0001, 2 ** -24],
  [0x03ff, 1023 * 2 ** -24],
  [0x0400, 2 ** -14],
  [0x7c00, Number.POSITIVE_INFINITY],
  [0xfc00, Number.NEGATIVE_INFINITY],
  [0x7e00, Number.NaN],
])('binary16 %i is %d', (bits, value) => {
  expect(halfToFloat(Uint16Array.of(bits))[0]).toBe(value);
});

test.each([
  [0x0000, 0],
  [0x3f80, 1],
  [0xc000, -2],
  [0x4049, 3.140625],
  [0x0001, 2 ** -133],
  [0x7f80, Number.POSITIVE_INFINITY],
  [0x7fc0, Number.NaN],
])('bfloat16 %i is %d', (bits, value) => {
  expect(bfloat16ToFloat(Uint16Array.of(bits))[0]).toBe(value);
});

test('a view into a larger buffer is read from its own beginning', () => {
  const bits = Uint16Array.of(0x7bff, 0x3c00, 0xc000);
  expect(Array.from(halfToFloat(bits.subarray(1)))).toEqual([1, -2]);
});
