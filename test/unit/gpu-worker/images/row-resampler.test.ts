import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import type { Pixels } from '../../../../gpu-worker/images/image.ts';
import { lanczos, resamplingTaps } from '../../../../gpu-worker/images/resampling.ts';
import { createRowResampler } from '../../../../gpu-worker/images/row-resampler.ts';
import { fixture, noise } from '../../../support/sample-images.ts';

type Size = Pick<Pixels, 'width' | 'height'>;

/** Row by row, so many at a time. */
function resample(rows: Float32Array, from: Size, to: Size, lanes: number, atOnce: number): Float32Array {
  const result = new Float32Array(to.width * to.height * lanes);
  const seen: number[] = [];
  const resampler = createRowResampler(from, to, lanes, (row, y) => {
    seen.push(y);
    result.set(row, y * to.width * lanes);
  });
  const length = from.width * lanes * atOnce;
  for (let at = 0; at < rows.length; at += length) resampler.push(rows.subarray(at, at + length));
  expect(seen).toEqual(Array.from({ length: to.height }, (_, y) => y));
  return result;
}

/** The definition, one sum a sample. */
function defined(rows: Float32Array, from: Size, to: Size, lanes: number): Float32Array {
  const [columns, lines] = [
    resamplingTaps(from.width, to.width, lanczos, true),
    resamplingTaps(from.height, to.height, lanczos, true),
  ];
  return Float32Array.from({ length: to.width * to.height * lanes }, (_, index) => {
    const pixel = Math.floor(index / lanes);
    const [column, line] = [columns[pixel % to.width]!, lines[Math.floor(pixel / to.width)]!];
    let sum = 0;
    for (const [down, vertical] of line.weights.entries()) {
      for (const [right, horizontal] of column.weights.entries()) {
        const place = (line.start + down) * from.width + column.start + right;
        sum += vertical * horizontal * rows[place * lanes + (index % lanes)]!;
      }
    }
    return sum;
  });
}

const CASES: [string, Size, Size, number][] = [
  ['a quarter', { width: 48, height: 40 }, { width: 12, height: 10 }, 3],
  ['a half', { width: 48, height: 40 }, { width: 24, height: 20 }, 1],
  ['by an odd factor', { width: 48, height: 40 }, { width: 31, height: 27 }, 3],
  ['nearly as it is', { width: 48, height: 40 }, { width: 47, height: 39 }, 7],
  ['in one direction only', { width: 48, height: 40 }, { width: 48, height: 10 }, 3],
  ['in the other', { width: 48, height: 40 }, { width: 12, height: 40 }, 3],
  ['one row', { width: 48, height: 4 }, { width: 12, height: 1 }, 3],
  ['one column', { width: 4, height: 48 }, { width: 1, height: 12 }, 1],
  ['one pixel', { width: 4, height: 4 }, { width: 1, height: 1 }, 3],
];

describe('rows in another size', () => {
  test.each(CASES)('%s: equal to the definition, however many come at once', (_name, from, to, lanes) => {
    const rows = Float32Array.from(noise(from.width * from.height * lanes));
    const expected = defined(rows, from, to, lanes);
    for (const atOnce of [1, 4, 7, from.height]) {
      const found = resample(rows, from, to, lanes, atOnce);
      for (const [index, value] of found.entries()) expect(value).toBeCloseTo(expected[index]!, 2);
    }
  });

  test('the same size gives the same numbers', () => {
    const rows = Float32Array.from(noise(9 * 5 * 3));
    expect(resample(rows, { width: 9, height: 5 }, { width: 9, height: 5 }, 3, 2)).toEqual(rows);
  });

  test('a photo comes out as sharp makes it', async () => {
    const { data, info } = await sharp(fixture('photos/11_lowlight_sign.png'))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    for (const [width, height] of [
      [400, 300],
      [333, 501],
      [288, 288],
    ] as const) {
      const found = resample(Float32Array.from(data), info, { width, height }, 3, 64);
      const expected = await sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
        .resize(width, height, { kernel: 'lanczos3', fit: 'fill' })
        .raw()
        .toBuffer();
      let [sum, most] = [0, 0];
      for (const [index, value] of expected.entries()) {
        const distance = Math.abs(value - Math.min(255, Math.max(0, found[index]!)));
        sum += distance;
        most = Math.max(most, distance);
      }
      // libvips rounds between the axes.
      expect(sum / expected.length).toBeLessThan(0.5);
      expect(most).toBeLessThan(8);
    }
  });
});
