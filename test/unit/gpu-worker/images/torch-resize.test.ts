import { expect, test } from 'vitest';
import { enlargeCubic, resizeTensor } from '../../../../gpu-worker/images/torch-resize.ts';

/** Keys' kernel with a = −0.75, as PyTorch has it: weights of the four pixels around a place that is so far behind the second. */
const WEIGHTS = {
  0.125: [-0.0717773, 0.9672852, 0.1147461, -0.0102539],
  0.375: [-0.1098633, 0.7495117, 0.4262695, -0.065918],
  0.625: [-0.065918, 0.4262695, 0.7495117, -0.1098633],
  0.875: [-0.0102539, 0.1147461, 0.9672852, -0.0717773],
};
const [WIDTH, HEIGHT] = [7, 5];
/** The pixel that is 1. */
const [LEFT, TOP] = [3, 2];

test('a point of a picture becomes the kernel of PyTorch, four times as large', () => {
  const data = new Float32Array(2 * WIDTH * HEIGHT);
  data[WIDTH * HEIGHT + TOP * WIDTH + LEFT] = 1;
  const { data: large, shape } = enlargeCubic({ data, shape: [1, 2, HEIGHT, WIDTH] }, 4);
  expect(shape).toEqual([1, 2, 4 * HEIGHT, 4 * WIDTH]);
  const weight = (place: number, of: number, size: number) => {
    const center = (place + 0.5) / 4 - 0.5;
    const second = Math.floor(center);
    const weights = WEIGHTS[(center - second) as keyof typeof WEIGHTS];
    // The borders go on outside.
    return weights.reduce((sum, one, tap) => {
      return Math.min(size - 1, Math.max(0, second - 1 + tap)) === of ? sum + one : sum;
    }, 0);
  };
  for (const [index, value] of large.entries()) {
    const [x, y] = [index % (4 * WIDTH), Math.floor(index / (4 * WIDTH)) % (4 * HEIGHT)];
    const isSecond = index >= large.length / 2;
    expect(value).toBeCloseTo(isSecond ? weight(x, LEFT, WIDTH) * weight(y, TOP, HEIGHT) : 0, 6);
  }
});

test('the border goes on outside, and values overshoot at an edge', () => {
  const { data } = enlargeCubic({ data: new Float32Array([0, 1]), shape: [1, 1, 1, 2] }, 4);
  const expected = [-0.109863, -0.071777, 0.104492, 0.360352, 0.639648, 0.895508, 1.071777, 1.109863];
  for (const [index, value] of data.entries()) expect(value).toBeCloseTo(expected[index % 8]!, 5);
});

test.each(['bicubic', 'bilinear'] as const)('%s to any size keeps one color, and a picture of that size', (mode) => {
  const flat = { data: new Float32Array(2 * 5 * 7).fill(0.3), shape: [1, 2, 5, 7] };
  for (const [height, width] of [
    [9, 14],
    [5, 3],
    [2, 40],
  ] as const) {
    const { data, shape } = resizeTensor(flat, { width, height }, mode);
    expect(shape).toEqual([1, 2, height, width]);
    for (const value of data) expect(value).toBeCloseTo(0.3, 6);
  }
  const picture = { data: Float32Array.from({ length: 20 }, (_, index) => (index * 7) % 5), shape: [1, 1, 4, 5] };
  expect(resizeTensor(picture, { width: 5, height: 4 }, mode).data).toEqual(picture.data);
});

test('a smaller picture takes the pixels that lie there, without a wider kernel', () => {
  const row = { data: Float32Array.of(0, 1, 2, 9, 4, 5, 6, 7, 8), shape: [1, 1, 1, 9] };
  expect([...resizeTensor(row, { width: 3, height: 1 }, 'bilinear').data]).toEqual([1, 4, 7]);
});
