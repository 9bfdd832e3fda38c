import { expect, it, test } from 'vitest';
import { fixFloatColors } from '../../../../gpu-worker/diffusion/float-color-fix.ts';
import type { Tensor } from '../../../../gpu-worker/tensor/tensor.ts';

const picture = (value: (x: number, y: number, channel: number) => number): Tensor => {
  const [height, width] = [21, 34];
  const data = Float32Array.from({ length: 3 * height * width }, (_, index) => {
    const place = index % (height * width);
    return value(place % width, Math.floor(place / width), Math.floor(index / height / width));
  });
  return { data, shape: [1, 3, height, width] };
};
const textured = picture((x, y, channel) => ((x * 7 + y * 13 + channel) % 23) / 15 - 0.7);
const changed = (change: (value: number) => number): Tensor => ({ ...textured, data: textured.data.map(change) });

it.each(['adain', 'wavelet'] as const)(
  '%s takes back a shift of all colors, beyond black and white as well',
  (method) => {
    const { data } = fixFloatColors(
      changed((value) => value + 3),
      textured,
      method,
    );
    for (const [index, value] of data.entries()) expect(value).toBeCloseTo(textured.data[index]!, 5);
  },
);

test('adain takes back a stretch of the contrast, wavelet leaves the fine part of it', () => {
  const stretched = changed((value) => 2 * value);
  const adain = fixFloatColors(stretched, textured, 'adain').data;
  for (const [index, value] of adain.entries()) expect(value).toBeCloseTo(textured.data[index]!, 3);
  const wavelet = fixFloatColors(stretched, textured, 'wavelet').data;
  const most = wavelet.reduce((sum, value, index) => Math.max(sum, Math.abs(value - textured.data[index]!)), 0);
  expect(most).toBeGreaterThan(0.3);
});

test('a channel knows nothing of the others', () => {
  const dark = picture((_x, _y, channel) => (channel === 1 ? -0.5 : 0.25));
  for (const method of ['adain', 'wavelet'] as const) {
    const { data } = fixFloatColors(
      changed(() => 0.125),
      dark,
      method,
    );
    expect([data[0], data[21 * 34], data[2 * 21 * 34]].map((value) => value!.toFixed(5))).toEqual([
      '0.25000',
      '-0.50000',
      '0.25000',
    ]);
  }
});

test('pictures of other sizes are refused, none is as it was', () => {
  expect(fixFloatColors(textured, textured, 'none')).toBe(textured);
  const other = { data: new Float32Array(12), shape: [1, 3, 2, 2] };
  expect(() => fixFloatColors(textured, other, 'wavelet')).toThrow('Colors of [1,3,2,2] cannot be given');
});
