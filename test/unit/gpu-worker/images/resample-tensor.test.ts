import { expect, test } from 'vitest';
import { pillowResize } from '../../../../gpu-worker/images/pillow-resize.ts';
import { resampleTensor } from '../../../../gpu-worker/images/resample-tensor.ts';
import { bicubic, lanczos } from '../../../../gpu-worker/images/resampling.ts';

/** 8-bit planes that no resampling overshoots. */
const [WIDTH, HEIGHT] = [13, 9];
const VALUES = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, index) => 128 + Math.round(40 * Math.sin(index)));

test.each([
  { width: 26, height: 20, kernel: bicubic },
  { width: 6, height: 4, kernel: bicubic },
  { width: 20, height: 5, kernel: lanczos },
  { width: 13, height: 4, kernel: bicubic },
])('to $width × $height it is what Pillow makes, but for its roundings', ({ width, height, kernel }) => {
  const tensor = { data: Float32Array.from([...VALUES, ...VALUES]), shape: [1, 2, HEIGHT, WIDTH] };
  const { data, shape } = resampleTensor(tensor, { width, height }, kernel);
  const rounded = pillowResize({ width: WIDTH, height: HEIGHT, channels: 1, data: VALUES }, width, height, kernel);
  expect(shape).toEqual([1, 2, height, width]);
  for (const [index, value] of data.entries()) {
    // Half a level at the end, and half a level between rows and columns, which the kernel may enlarge a little.
    expect(Math.abs(value - rounded.data[index % rounded.data.length]!)).toBeLessThan(1.2);
  }
  expect(data.some((value) => value % 1 !== 0)).toBe(true);
});

test('a picture of that size stays as it is, outside of 0..1 as well', () => {
  const tensor = { data: Float32Array.of(-0.5, 1.5), shape: [1, 1, 1, 2] };
  expect(resampleTensor(tensor, { width: 2, height: 1 }, bicubic)).toEqual(tensor);
});
